"""REST endpoints of positions: parameters in, `data` of the reply out."""

from market_maker.paper.api.encoding import Row, text
from market_maker.paper.api.request import FLAGS, Request
from market_maker.paper.api.rows import setting_row
from market_maker.paper.exchange.account import Contract, LegKey, Mode
from market_maker.paper.exchange.errors import ApiError, Code

SIGNS = {1: 1, 0: -1, 2: -1}  # 2 meant "remove" until 2019-12-12
MODES = {mode.value: mode for mode in Mode}


def setting(request: Request) -> Row:
    """Answer pc/setting/query."""
    key = request.params.key(request.kind)
    found = request.exchange.setting(request.owner, Contract(key.area, key.symbol))
    return {**setting_row(key, found), "time": text(request.now)}


def leverage(request: Request) -> Row:
    """Answer pc/leverage/change, which sets the margin mode too."""
    params, contract = request.params, request.contract
    mode = params.choice(MODES, "mode")
    long = params.choice(FLAGS, "long_flag") if mode is Mode.ISOLATED else False
    wanted = params.number("leverage")
    request.exchange.change_leverage(request.owner, contract, mode=mode, long=long, leverage=wanted)
    row = {
        "asset": contract.area,
        "symbol": contract.symbol,
        "mode": text(mode.value),
        "leverage": text(wanted),
    }
    return {"time": text(request.now), "rows": [row]}


def margin(request: Request) -> Row:
    """Answer pc/margin/increase, which can also remove margin."""
    sign = request.params.choice(SIGNS, "increase_flag")
    amount = request.params.number("margin")
    if amount <= 0:
        raise ApiError(Code.AMOUNT_NOT_POSITIVE, "margin")
    request.exchange.change_margin(request.owner, _leg(request), sign * amount)
    return {"time": text(request.now)}


def top_up(request: Request) -> Row:
    """Answer pc/margin/auto, which switches the automatic top-up."""
    on = request.params.choice(FLAGS, "open_flag")
    request.exchange.set_top_up(request.owner, _leg(request), on)
    return {"time": text(request.now)}


def _leg(request: Request) -> LegKey:
    return LegKey(*request.contract, request.params.choice(FLAGS, "long_flag"))

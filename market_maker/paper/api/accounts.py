"""REST endpoints of accounts: parameters in, `data` of the reply out."""

from market_maker.paper.api.encoding import Row, text
from market_maker.paper.api.request import Request
from market_maker.paper.api.rows import balance_row, margin_amounts
from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.errors import ApiError, Code

MAX_TEXT = 128  # characters
WALLETS = {wallet.value: wallet for wallet in Wallet}


def funding_account(request: Request) -> Row:
    """Answer account/fund/query."""
    return _balances(request, Wallet.FUNDING)


def spot_account(request: Request) -> Row:
    """Answer account/bb/query."""
    return _balances(request, Wallet.SPOT)


def _balances(request: Request, wallet: Wallet) -> Row:
    account = request.exchange.ledger.accounts[request.owner]
    return {"rows": [balance_row(account, wallet, asset) for asset in _assets(request, wallet)]}


def contract_account(request: Request) -> Row:
    """Answer account/pc/query."""
    account = request.exchange.ledger.accounts[request.owner]
    assets = _assets(request, Wallet.CONTRACT)
    return {"rows": [{"asset": asset, **margin_amounts(account, asset)} for asset in assets]}


def _assets(request: Request, wallet: Wallet) -> list[str]:
    known = request.exchange.assets(wallet)
    asset = request.params.optional("asset", "settle_currency")
    if asset is None:
        return known
    if asset not in known:
        raise ApiError(Code.UNKNOWN_ASSET, "asset")
    return [asset]


def transfer(request: Request) -> Row:
    """Answer account/transfer."""
    params = request.params
    request.exchange.transfer(
        request.owner,
        params.text("asset"),
        source=params.choice(WALLETS, "from"),
        target=params.choice(WALLETS, "to"),
        amount=params.number("volume"),
    )
    return {"time": None}


def withdraw(request: Request) -> Row:
    """Answer account/withdraw; this venue never confirms a withdrawal."""
    params = request.params
    address = params.text("address")
    if len(address) > MAX_TEXT:
        raise ApiError(Code.PARAM_VALUE, "address")
    number = request.exchange.withdraw(
        request.owner, params.text("asset"), params.number("volume"), request.now
    )
    return {
        "time": text(request.now),
        "withdraw_id": text(number),
        "status": "waiting for confirmation",
    }

"""What `setup` says, in both languages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The texts of it; names of settings and reasons of checks stay as they are."""

    intro: str
    seen: str
    paper: str
    unseen: str
    about: dict[str, str]
    """What each setting that is asked for is."""
    wrong: str
    plan: str
    write: str
    yes: tuple[str, ...]
    no: tuple[str, ...]
    kept_away: str
    wrote: str


ENGLISH = Words(
    intro=(
        "A few questions, and settings.py is written here. Enter takes what is in brackets.\n"
        "Ctrl-C ends it with nothing written. No key is asked for."
    ),
    seen="The proposals are from the market at {url}.",
    paper="Nothing answers at {url}: the proposals are from the built-in paper exchange.",
    unseen="No market can be seen, so the proposals are general ones.",
    about={
        "SYMBOL": "the contract, such as BTC_USD, or the pair, such as BTC/USDT",
        "SETTLECURRENCY": "the currency in which the contract settles",
        "ORDER_PAIRS": "levels on each side",
        "ORDER_START_SIZE": "size of each order, in {unit}",
        "MIN_SPREAD": "from the first buy to the first sell, as a fraction: 0.01 is 1 %",
        "MAX_POSITION": "at most so much long, and as much short, in {unit}",
        "MAX_LOSS": "a run that has lost so much halts, in {currency}; 0: no limit",
    },
    wrong="That will not do: {why}.",
    plan="This is what these settings would do now:",
    write="Write {file}?",
    yes=("y", "yes"),
    no=("n", "no"),
    kept_away="Nothing was written.",
    wrote=(
        "Wrote {file}. It is a dry run until you set DRY_RUN = False, on the paper exchange that "
        "`{program} paper` starts. Next: {program} check"
    ),
)
CHINESE = Words(
    intro=(
        "回答几个问题，就会在这里生成 settings.py。直接按回车，采用方括号里的值。\n"
        "按 Ctrl-C 结束，什么也不写。这里不会问密钥。"
    ),
    seen="建议值来自 {url} 的行情。",
    paper="{url} 没有应答：建议值来自自带的模拟交易所。",
    unseen="看不到行情，下面是通用的建议值。",
    about={
        "SYMBOL": "合约，如 BTC_USD；或现货交易对，如 BTC/USDT",
        "SETTLECURRENCY": "合约的结算币种",
        "ORDER_PAIRS": "每一侧的档数",
        "ORDER_START_SIZE": "每一单的数量，单位：{unit}",
        "MIN_SPREAD": "第一档买单与第一档卖单的距离，按比例：0.01 即 1 %",
        "MAX_POSITION": "最多做多这么多，做空也一样，单位：{unit}",
        "MAX_LOSS": "一次运行亏损到这么多就停机，单位：{currency}；0 表示不限",
    },
    wrong="不能这样填：{why}。",
    plan="按这些设置，现在会是这样（以下为英文）：",
    write="写入 {file} 吗？",
    yes=("y", "yes", "是", "好"),
    no=("n", "no", "否", "不"),
    kept_away="什么也没有写。",
    wrote=(
        "已写入 {file}。在你设置 DRY_RUN = False 之前是试运行，"
        "用的是 `{program} paper` 启动的模拟交易所。下一步：{program} check"
    ),
)
IN = {"en": ENGLISH, "zh": CHINESE}
UNIT = {"en": "contracts", "zh": "张"}

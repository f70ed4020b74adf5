"""What each setting means, in Chinese: the comments that `setup --lang zh` writes."""

HEAD = """\
# GTE 做市机器人的设置；由 `python marketmaker setup` 生成。
# 它是 Python 代码，会被执行：请放在只有你能写的地方。任何一行都可以省略，
# 省略时取默认值，默认值总是安全的。"""

SECTIONS = {
    "Connection": "连接",
    "What to trade": "交易什么",
    "Ladder": "阶梯挂单",
    "Limits": "限制",
    "Running": "运行",
    "Of your strategy": "你的策略",
}

MEANINGS = {
    "API_URL_BASE": (
        "REST 地址，可以省略 https://。这里是 `python marketmaker paper` 启动的模拟交易所。\n"
        "交易所 2020 年自己的地址（api.gte.io、td.gte.io、api.lianhj.com、td.lianhj.com）\n"
        "今天可能属于别人：请先向交易所确认。"
    ),
    "WS_URL": "WebSocket 地址；没有写协议时加上 wss://。",
    "USE_HOSTS_OF_2020": (
        "True：密钥可以发往上面那些 2020 年的地址；False：带密钥时不会在那里启动。"
    ),
    "API_KEY": (
        "密钥对。更好的地方（优先于这两行）：只有你能读的文件，由环境变量 GTE_API_KEY_FILE 和\n"
        "GTE_API_SECRET_FILE 指出；或者环境变量 GTE_API_KEY 和 GTE_API_SECRET。"
    ),
    "API_SECRET": "",
    "SETTLECURRENCY": "合约（pc）的结算区，或交易对（bb）的交易区。",
    "INSTRUMENTTYPE": "品种：pc（永续合约）或 bb（现货）。",
    "SYMBOL": (
        "合约（BTC_USD）或交易对（BTC/USDT）。`python marketmaker SYMBOL` 优先于它；\n"
        "旁边若有 settings-SYMBOL.py，会在本文件之上再读取。"
    ),
    "ORDER_PAIRS": "每侧的档数。",
    "ORDER_START_SIZE": "第一档的数量：张（pc）或基础币（bb）。",
    "ORDER_STEP_SIZE": "每远一档增加的数量。",
    "INTERVAL": "相邻两档的价格间距，以比例表示：0.005 即 0.5 %。",
    "MIN_SPREAD": (
        "第一档买价与第一档卖价之间的最小距离，以比例表示。\n市场价差更小时，两侧各退后它的一半。"
    ),
    "MAINTAIN_SPREADS": "True：第一档在起始价；False：再远一个 INTERVAL。",
    "RELIST_INTERVAL": "挂单价格与目标价相差在此比例以内时，挂单保持不动。",
    "RANDOM_ORDER_SIZE": (
        "True：数量在 MIN_ORDER_SIZE 和 MAX_ORDER_SIZE 之间随机，每档抽一次，成交后重抽。"
    ),
    "MIN_ORDER_SIZE": "随机数量的下限。",
    "MAX_ORDER_SIZE": "随机数量的上限。",
    "CHECK_POSITION_LIMITS": (
        "True：仓位永远不超过下面两个限制，每个挂单都按已成交计算。省略这一行等于 True。"
    ),
    "MIN_POSITION": "最低仓位：张（pc）或基础币（bb）；小于 0 为空头。",
    "MAX_POSITION": "最高仓位，单位同上。",
    "POSITION_MODE": (
        "net：反向仓位够平时订单就平仓，否则开仓，限制的是多减空。\n"
        "hedge：订单一律开仓，分别限制多空；某一方向已满时，由另一方向的挂单平仓。"
    ),
    "PRICE_COLLAR": "买价高于、卖价低于标记价或指数价超过此比例的订单不下。",
    "MAX_ORDER_QTY": "单笔订单的最大数量，无论策略要多少。",
    "MAX_OPEN_ORDERS": "最多挂单数，包括在途的和正在撤销的。",
    "MAX_OPEN_VALUE": "全部挂单的最大价值（SETTLECURRENCY）；0 表示不限。超出而不下的单写入日志。",
    "MAKER_FEE": (
        "手续费，占成交价值的比例：挂单成交的和吃单的；小于 0 表示由交易所支付。\n"
        "它们只告诉机器人预计多少：订单数据中的手续费与此不符时，以数据为准；超出两个费率时提示一次。\n"
        "模拟交易所按自己的费率收取：0.025 % 和 0.075 %。"
    ),
    "TAKER_FEE": "",
    "MAX_LOSS": (
        "一次运行（包括代码修改后的重启）亏损达到此数（SETTLECURRENCY，扣除手续费和资金费后）时\n"
        "撤销全部挂单并停机，直到有人解除；0 表示不限。"
    ),
    "MAX_FILLS": "一分钟内成交次数超过此数时撤销全部挂单并停机，直到有人解除。",
    "POST_ONLY": (
        "交易所没有只挂单（post-only）。达到或越过对面最优价的价格本来就不会发出；\n"
        "True：发送前再看一次盘口。"
    ),
    "DRY_RUN": ("True：真实的公开行情，但什么也不发送，挂单是虚拟的。省略这一行等于 True。"),
    "DRY_BTC": "试运行时显示的余额（SETTLECURRENCY）。",
    "LOOP_INTERVAL": "两次查看市场之间的秒数。",
    "WAKE_ON_FILL": (
        "True：自己的挂单成交、交易所结束挂单或最后一个撤单完成时立即再看一次。\n"
        "每轮目标都不同的策略宜设为 False。"
    ),
    "API_REST_INTERVAL": "不起作用：请求按交易所对各接口的限频自动排队。",
    "API_ERROR_INTERVAL": "下单被交易所拒绝后，暂停新单的秒数。",
    "TIMEOUT": "等待应答的秒数；最多 4 秒。",
    "LOG_LEVEL": "DEBUG、INFO、WARNING 或 ERROR；也可以用 `logging` 的常量。",
    "ORDERID_PREFIX": (
        "自己的订单靠它辨认：每个 client_oid 以它开头。最多 13 个字符，取自 A-Z a-z 0-9 _ -。\n"
        "同一账户上的两个机器人要用两个不同的前缀。"
    ),
    "WATCHED_FILES": (
        "这些文件或策略的文件改变时：设置重新读取；代码则通过重启装入，\n"
        "机器人撤销挂单，重新启动，再挂上去。"
    ),
    "STRATEGY_SETTINGS": "你的策略读取而没有声明的设置的名称：这些行也可以写在这里。",
    "JOURNAL_DAYS": "运行记录保留的天数；成交、收支和余额始终保留。0 表示全部保留。",
    "JOURNAL_MB": (
        "单份运行记录的大小（MB），超过时删除最旧的行；成交、收支和余额始终保留。\n0 表示不限。"
    ),
    "NOTIFY_URL": (
        "停机、长时间暂停、可能留下挂单、机器人死亡以及每天的结果通知到哪里：\n"
        "https://HOST/PATH（webhook）、ntfy+https://HOST/TOPIC 或 telegram://TOKEN/CHAT。\n"
        "它是机密：更好的地方是 GTE_NOTIFY_URL_FILE 指出的文件，或环境变量 GTE_NOTIFY_URL。"
    ),
    "WITHDRAW_PATH": "GTE.withdraw() 的路径；交易所的文档没有给出。",
}

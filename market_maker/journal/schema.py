"""The tables of a journal, with their units.

Money, prices and quantities are text of exact decimals. Times are ms since the epoch, UTC: the wall
clock at the beginning of the run plus what the steady clock has counted since, so within a run they
never step back. `run` is the number of the run.
"""

SUFFIX = ".journal"
VERSION = 6
"""The version of the tables, in the file as `user_version`."""
MARK = 0x47544D4D
"""`application_id`: the file is a journal of ours."""

TABLES = {
    "runs": """
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,            -- live, paper, dry or backtest
        instrument_type TEXT NOT NULL, -- pc: contracts, bb: spot
        area TEXT NOT NULL,            -- settlement currency, or quote currency of a pair
        symbol TEXT NOT NULL,
        prefix TEXT NOT NULL,          -- of the client_oids
        run_id TEXT NOT NULL,          -- in the client_oids
        version TEXT NOT NULL,         -- of this program
        settings TEXT NOT NULL,        -- JSON, without secrets
        is_restart INTEGER NOT NULL,   -- 1: goes on with the money of the run before it
        begun_ms INTEGER NOT NULL,
        ended_ms INTEGER,              -- NULL: it runs, or was killed
        how TEXT NOT NULL DEFAULT '',  -- how it ended
        proven INTEGER,                -- 1: at the end no own order was left
        dropped INTEGER NOT NULL DEFAULT 0, -- rows not recorded, but for money
        lost INTEGER NOT NULL DEFAULT 0,    -- fills, payments and balances not recorded
        opened_ms INTEGER,             -- when position and mark were first known; these are they:
        face TEXT,                     -- value of a contract in the quote currency
        long TEXT, short TEXT,
        long_entry TEXT, short_entry TEXT,
        mark TEXT,
        balance TEXT,                  -- total as the venue shows it
        pid INTEGER NOT NULL DEFAULT 0, -- of the process; 0: not known
        -- rows before this time are gone (but money):
        thinned_ms INTEGER NOT NULL DEFAULT 0,
        market TEXT NOT NULL DEFAULT ''  -- JSON: of a back-test, what it was run on""",
    "ticks": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        state TEXT NOT NULL, reason TEXT NOT NULL,
        own_bid TEXT, own_ask TEXT,    -- best prices of own open orders
        long TEXT, short TEXT,         -- position as the venue shows it
        margin TEXT,                   -- total of the account
        mark TEXT,
        profit TEXT                    -- of the run, after fees, open quantity at the mark""",
    "prices": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        arrival INTEGER NOT NULL,      -- number of feed frames so far
        bid TEXT, ask TEXT,            -- of the whole book, own orders included
        mark TEXT""",
    "orders": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        client_oid TEXT NOT NULL, order_id TEXT NOT NULL,
        step TEXT NOT NULL,            -- sent, open, cancelling, unknown, done
        side TEXT NOT NULL, price TEXT NOT NULL, qty TEXT NOT NULL, filled TEXT NOT NULL,
        close INTEGER NOT NULL,
        level INTEGER                  -- after the last tick, 1: nearest to the market""",
    "book": """
        run INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, -- the latest only
        detail TEXT NOT NULL           -- JSON: see rows.Rows.book()""",
    "log": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        level TEXT NOT NULL, text TEXT NOT NULL""",
    "requests": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        method TEXT NOT NULL, path TEXT NOT NULL,
        calls INTEGER NOT NULL, seconds REAL NOT NULL, -- its limit: so many calls in so long
        took_ms INTEGER NOT NULL,      -- until the answer, or until it was given up
        outcome TEXT NOT NULL          -- done, a code, an HTTP status, no answer, not sent""",
    "decisions": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        same_as INTEGER,               -- time_ms of the one that it repeats, at most an hour ago
        detail BLOB                    -- zlib of JSON: see rows.Rows.decision()""",
    "fills": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        arrival INTEGER NOT NULL,      -- number of the feed frame that brought it
        client_oid TEXT NOT NULL, order_id TEXT NOT NULL,
        side TEXT NOT NULL,
        close INTEGER NOT NULL,        -- 1: it closed the opposite leg
        qty TEXT NOT NULL,
        price TEXT,                    -- as it follows from the average prices of the order
        fee TEXT, fee_currency TEXT,   -- paid; below zero: received
        level INTEGER,                 -- 1: nearest to the market on its side
        bid TEXT, ask TEXT,            -- of the whole book before its first row arrived
        -- of a dry run: touch or through; by hand: an order that is not of this run
        -- liquidation or unexplained: the position has changed without a fill
        model TEXT NOT NULL DEFAULT '',
        own TEXT NOT NULL DEFAULT '0'  -- how much of what own fills had opened this has closed""",
    "payments": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,            -- funding, liquidation, transfer or unexplained
        amount TEXT NOT NULL,          -- received; below zero: paid
        detail TEXT NOT NULL,
        currency TEXT NOT NULL DEFAULT '' -- empty: of the area""",
    "balances": """
        run INTEGER NOT NULL, time_ms INTEGER NOT NULL,
        total TEXT NOT NULL,           -- as the venue shows it, cut to 1e-6
        realised TEXT NOT NULL,
        fees TEXT NOT NULL,            -- below zero: paid
        funding TEXT NOT NULL,         -- received; below zero: paid
        unexplained TEXT NOT NULL,     -- all since the balance of the opening
        residual TEXT NOT NULL,        -- what all of them leave of its change
        currency TEXT NOT NULL DEFAULT '', -- empty: of the area; else the base of a pair
        by_hand TEXT NOT NULL DEFAULT '0', -- after fees: by orders that are not of this run
        liquidation TEXT NOT NULL DEFAULT '0',
        transfers TEXT NOT NULL DEFAULT '0',
        unrealised TEXT                -- of both legs at the mark, by our costs""",
}


def _index(table: str) -> str:
    return f"CREATE INDEX {table}_of_a_run ON {table} (run, time_ms)"


INDEXES = {table: _index(table) for table in TABLES if table not in ("runs", "book")}


def _columns(table: str) -> list[str]:
    lines = [line.partition("--")[0] for line in TABLES[table].splitlines()]
    return [part.split()[0] for part in " ".join(lines).split(",") if part.strip()]


COLUMNS = {table: _columns(table) for table in TABLES}
OPENING = ("opened_ms", "face", "long", "short", "long_entry", "short_entry", "mark", "balance")
ENDING = ("ended_ms", "how", "proven")
BEGINNING = (
    *("kind", "instrument_type", "area", "symbol", "prefix", "run_id", "version", "settings"),
    *("is_restart", "begun_ms", "pid"),
)


def _update(columns: tuple[str, ...]) -> str:
    return f"UPDATE runs SET {', '.join(f'{name} = ?' for name in columns)} WHERE number = ?"


DROPPABLE = ("ticks", "prices", "orders", "book", "log", "requests", "decisions")
"""The tables whose rows are given up first, and thinned by age and size: all but money."""
MONEY = ("fills", "payments", "balances")
UPGRADES = {
    1: ("ALTER TABLE runs ADD COLUMN pid INTEGER NOT NULL DEFAULT 0",),
    2: (
        "ALTER TABLE runs ADD COLUMN thinned_ms INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE orders ADD COLUMN level INTEGER",
        "ALTER TABLE fills ADD COLUMN model TEXT NOT NULL DEFAULT ''",
        "CREATE TABLE book (run INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, "
        "detail TEXT NOT NULL)",
        "CREATE TABLE log (run INTEGER NOT NULL, time_ms INTEGER NOT NULL, level TEXT NOT NULL, "
        "text TEXT NOT NULL)",
        "CREATE TABLE requests (run INTEGER NOT NULL, time_ms INTEGER NOT NULL, "
        "method TEXT NOT NULL, path TEXT NOT NULL, calls INTEGER NOT NULL, seconds REAL NOT NULL, "
        "took_ms INTEGER NOT NULL, outcome TEXT NOT NULL)",
        "CREATE TABLE decisions (run INTEGER NOT NULL, time_ms INTEGER NOT NULL, same_as INTEGER, "
        "detail BLOB)",
        *(INDEXES[table] for table in ("log", "requests", "decisions")),
    ),
    3: ("ALTER TABLE runs ADD COLUMN market TEXT NOT NULL DEFAULT ''",),
    4: tuple(
        f"ALTER TABLE {table} ADD COLUMN currency TEXT NOT NULL DEFAULT ''"
        for table in ("payments", "balances")
    ),
    5: (
        *(
            f"ALTER TABLE balances ADD COLUMN {name} TEXT NOT NULL DEFAULT '0'"
            for name in ("by_hand", "liquidation", "transfers")
        ),
        "ALTER TABLE balances ADD COLUMN unrealised TEXT",
        "ALTER TABLE fills ADD COLUMN own TEXT NOT NULL DEFAULT '0'",
    ),
}
"""What makes tables of a version those of the next one, as that was: later columns are added by
later upgrades. A new column is the last of its table."""
STATEMENTS = {
    table: f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) "
    f"VALUES ({', '.join('?' * len(columns))})"
    for table, columns in COLUMNS.items()
    if table != "runs"
} | {"opening": _update(OPENING), "ending": _update(ENDING)}
"""How a row gets into the file; the number of its run is the first value, of an update the last."""

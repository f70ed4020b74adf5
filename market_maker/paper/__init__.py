"""The paper exchange: GTE's protocol on loopback. A reader of the live bot may ignore it.

It imports nothing of the live bot. Each room imports only the rooms before it:

    exchange    the exchange without I/O: books, orders, accounts, one method for each request
    market      the other participants: a crowd or a tape; and the setup of a new exchange
    faults      what goes wrong on request: in requests, in frames, in the state
    api         REST and WebSocket as texts: parameters, rows, replies, frames, the audit
    server      sockets, threads and the clock: a server, its control port, a handle for tests
"""

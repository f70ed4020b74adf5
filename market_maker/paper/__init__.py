"""The paper exchange: the venue itself, on loopback. A reader of the live bot may ignore it.

The venue as a value, without I/O; time is an argument:

    instrument, listing, history    what is traded, with its book, its past and its prices
    engine                          matching in one book, price before time
    account, ledger, clearing       who holds what, what orders bind, what trades move
    blotter, events, news           the users' orders, and what has changed
    exchange                        all of it together, one method for each request
    market, tape, others, stage     the other participants: a crowd or a recording
    judge, quirks, refusal        what one key did; what no document tells; why the venue says no

What makes a service of it:

    wire, parameters, rest, desk    texts, requests and replies, without HTTP
    auth, feed                      who may come in; who hears which frames
    faults, trouble, route          what goes wrong: in requests, in the state, on the way
    house                           all of it together: the venue but for its sockets
    line, server, control           one client's queue; one loopback port; the port for faults
    venue                           the whole in a thread, with a handle for tests
"""

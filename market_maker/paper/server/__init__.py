"""The paper exchange as a service on loopback. Only this room knows sockets, threads and a clock.

clock           the wall clock
venue           exchange, API and faults together, without sockets
connection      the frames to one WebSocket client
reply_faults    what a transport fault makes of a REST reply
server          REST and WebSocket of one venue on one port
control         the port for faults and the audit
service         a server until it is stopped: the command `paper`
in_process      a server in a thread, with a handle for tests
"""

"""Ring 1: the compiled core. It knows the protocol and the sockets, and nothing of numpy or logging."""

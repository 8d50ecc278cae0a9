/* Put in front of every libmodbus server that the tests compile (cc -include): whatever port the source names, the
 * system picks one, and the server tells it by the line "ready PORT" once it listens. So the examples that come with
 * libmodbus run unmodified, several at a time, and nobody has to connect to find out whether they are up: some of them
 * serve a single connection and then end. */

#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include <modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static int announce_listening(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    if (listener >= 0 && getsockname(listener, (struct sockaddr *) &address, &size) == 0) {
        printf("ready %d\n", ntohs(address.sin_port));
        fflush(stdout);
    }
    return listener;
}

#define modbus_new_tcp(host, port) modbus_new_tcp(host, 0)
#define modbus_tcp_listen(context, backlog) announce_listening(modbus_tcp_listen(context, backlog))

#endif

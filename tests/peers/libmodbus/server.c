/* A libmodbus server for the tests: the whole address space of all four tables, filled as tests/peers/contents.py says,
 * and as many connections as clients make, all served by one thread. Compiled with announce.h in front. */

#include <errno.h>
#include <modbus.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { ADDRESSES = 65536, CONNECTIONS = 256, LISTENER = 0 };

static modbus_mapping_t *filled_mapping(void)
{
    modbus_mapping_t *mapping = modbus_mapping_new(ADDRESSES, ADDRESSES, ADDRESSES, ADDRESSES);
    uint64_t i;

    for (i = 0; mapping && i < ADDRESSES; i++) {
        mapping->tab_bits[i] = (i * i + i / 3) % 3 == 0;
        mapping->tab_input_bits[i] = (i * 5 + 1) % 7 < 3;
        mapping->tab_registers[i] = (uint16_t) (i * 7919 + 13);
        mapping->tab_input_registers[i] = (uint16_t) (i * 104729 + 7);
    }
    return mapping;
}

/* Serve one request of one connection; 0 when the connection is over. */
static int serve(modbus_t *context, int connection, modbus_mapping_t *mapping)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int size;

    modbus_set_socket(context, connection);
    size = modbus_receive(context, query);
    if (size < 0)
        return 0;
    /* A request that libmodbus knows but does not implement (function 07) gets no answer; the connection lives on. */
    if (size > 0 && modbus_reply(context, query, size, mapping) < 0 && errno != ENOPROTOOPT)
        return 0;
    return 1;
}

int main(void)
{
    struct pollfd watched[1 + CONNECTIONS];
    modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *mapping = filled_mapping();
    int listener, count = 1, i;

    if (!context || !mapping || (listener = modbus_tcp_listen(context, CONNECTIONS)) < 0)
        return EXIT_FAILURE;
    watched[LISTENER] = (struct pollfd) { .fd = listener, .events = POLLIN };

    while (poll(watched, count, -1) >= 0 || errno == EINTR) {
        for (i = count - 1; i > LISTENER; i--) {
            if (watched[i].revents && !serve(context, watched[i].fd, mapping)) {
                close(watched[i].fd);
                watched[i] = watched[--count];
            }
        }
        if (watched[LISTENER].revents && count < 1 + CONNECTIONS) {
            int connection = accept(listener, NULL, NULL);
            if (connection >= 0)
                watched[count++] = (struct pollfd) { .fd = connection, .events = POLLIN };
        }
    }
    return EXIT_FAILURE;
}

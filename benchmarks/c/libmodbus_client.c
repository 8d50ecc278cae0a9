/*
 * The same reads by libmodbus: modbus_read_registers() in a loop, one request in flight, which is all that its interface offers.
 *
 *   libmodbus_client --port N [--host A]             rounds on demand, see serve_rounds() in bench.h
 */
#define _GNU_SOURCE
#include "bench.h"

#include <modbus.h>

static uint16_t values[TABLE];

static int run_round(void *client, const round_t *r) {
    for (long i = 0; i < r->requests; i++) {
        int address = (int)(i % r->batch) * r->registers;
        if (modbus_read_registers(client, address, r->registers, values + address) != r->registers) return -1;
    }
    return values_are_wrong(values, r) ? -1 : 0;
}

int main(int argc, char **argv) {
    const char *host = "127.0.0.1";
    int port = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--host")) host = argv[i + 1];
        else if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
        else return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    modbus_t *client = modbus_new_tcp(host, port);
    if (!client || modbus_set_slave(client, 1) < 0 || modbus_connect(client) < 0) die("modbus_connect");
    printf("version libmodbus %d.%d.%d\n", libmodbus_version_major, libmodbus_version_minor, libmodbus_version_micro);
    serve_rounds(run_round, client);
    modbus_close(client);
    modbus_free(client);
    return 0;
}

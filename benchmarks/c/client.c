/*
 * The bare C client: send, receive, swap into an array of uint16. It checks no more than it must to know whose answer it holds, so
 * it is the ceiling that every other client is measured against.
 *
 *   client --port N [--host A]             rounds on demand, see serve_rounds() in bench.h
 *   client --port N --requests R [--registers G] [--in-flight F] [--coalesce 0|1] [--batch B] [--rounds K]    one JSON line
 *
 * With coalesce 0 each request leaves by a send of its own with MSG_EOR and TCP_NODELAY, as the Messaging on TCP/IP Implementation
 * Guide advises (4.2.1.1); with 1 all free places of the window are filled by one send. Blocking receive, answers in order.
 */
#define _GNU_SOURCE
#include "bench.h"

enum { WINDOW = 4096, RECEIVE = 262144 };

typedef struct {
    int fd;
    uint16_t next_id;
    size_t held; /* bytes in `received` that are not a whole answer yet */
    uint8_t requests[WINDOW * REQUEST], received[RECEIVE + MAX_ADU];
    uint16_t values[TABLE];
} client_t;

static void encode(uint8_t *adu, uint16_t id, unsigned address, unsigned registers) {
    store16(adu, id);
    memcpy(adu + 2, "\0\0\0\6\1\3", 6);
    store16(adu + 8, address);
    store16(adu + 10, registers);
}

static int send_all(int fd, const uint8_t *bytes, size_t length, int flags) {
    while (length) {
        ssize_t n = send(fd, bytes, length, flags | MSG_NOSIGNAL);
        if (n < 0) return -1;
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

static int send_requests(client_t *c, long first, int count, const round_t *r) {
    for (int i = 0; i < count; i++)
        encode(c->requests + i * REQUEST, c->next_id++, (unsigned)(first + i) * (unsigned)r->registers, (unsigned)r->registers);
    if (r->coalesce) return send_all(c->fd, c->requests, (size_t)count * REQUEST, 0);
    for (int i = 0; i < count; i++)
        if (send_all(c->fd, c->requests + i * REQUEST, REQUEST, MSG_EOR) < 0) return -1;
    return 0;
}

static void swap_words(uint16_t *to, const uint8_t *from, int count) {
    for (int i = 0; i < count; i++) {
        uint16_t word;
        memcpy(&word, from + 2 * i, 2);
        to[i] = (uint16_t)(word << 8 | word >> 8);
    }
}

/* Takes what one receive brings; returns the number of answers, or -1. `done` is the place of the oldest open request in its batch. */
static int receive_answers(client_t *c, long done, uint16_t id, const round_t *r) {
    const size_t adu = MBAP + 2u + 2u * (size_t)r->registers;
    ssize_t n = recv(c->fd, c->received + c->held, RECEIVE, 0);
    if (n <= 0) return -1;
    size_t length = c->held + (size_t)n, used = 0;
    int answers = 0;
    for (; length - used >= adu; used += adu, answers++) {
        const uint8_t *answer = c->received + used;
        if (load16(answer) != (uint16_t)(id + answers) || load16(answer + 4) != adu - 6 || answer[7] != 3) return -1;
        swap_words(c->values + (done + answers) * r->registers, answer + 9, r->registers);
    }
    c->held = length - used;
    if (c->held) memmove(c->received, c->received + used, c->held);
    return answers;
}

static int read_batch(client_t *c, long count, const round_t *r) {
    uint16_t id = c->next_id;
    long sent = 0, done = 0;
    while (done < count) {
        long free_places = r->in_flight - (sent - done);
        if (free_places > count - sent) free_places = count - sent;
        if (free_places && send_requests(c, sent, (int)free_places, r) < 0) return -1;
        sent += free_places;
        int answers = receive_answers(c, done, (uint16_t)(id + done), r);
        if (answers < 0) return -1;
        done += answers;
    }
    return 0;
}

static int run_round(void *client, const round_t *r) {
    client_t *c = client;
    if (r->in_flight > WINDOW || (long)r->batch * r->registers > TABLE) return -1;
    for (long left = r->requests; left > 0; left -= r->batch)
        if (read_batch(c, left < r->batch ? left : r->batch, r) < 0) return -1;
    return values_are_wrong(c->values, r) ? -1 : 0;
}

static int by_value(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static int run_and_print(client_t *c, const round_t *r, int rounds) {
    double *rates = malloc((size_t)rounds * sizeof *rates);
    if (!rates) die("malloc");
    for (int i = 0; i < rounds; i++) {
        uint64_t start = clock_ns(CLOCK_MONOTONIC);
        if (run_round(c, r) < 0) return fprintf(stderr, "wrong answers or connection lost\n"), 1;
        rates[i] = (double)r->requests * 1e9 / (double)(clock_ns(CLOCK_MONOTONIC) - start);
    }
    qsort(rates, (size_t)rounds, sizeof *rates, by_value);
    printf("{\"registers\": %d, \"in_flight\": %d, \"coalesce\": %s, \"rounds\": %d, \"best\": %.0f, \"median\": %.0f}\n",
           r->registers, r->in_flight, r->coalesce ? "true" : "false", rounds, rates[rounds - 1], rates[rounds / 2]);
    free(rates);
    return 0;
}

int main(int argc, char **argv) {
    static client_t client;
    round_t r = {.registers = 125, .in_flight = 1, .batch = 512};
    const char *host = "127.0.0.1";
    int port = 0, rounds = 5;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--host")) host = argv[i + 1];
        else if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--requests")) r.requests = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--registers")) r.registers = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--in-flight")) r.in_flight = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--coalesce")) r.coalesce = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--batch")) r.batch = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--rounds")) rounds = atoi(argv[i + 1]);
        else return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    client.fd = connect_to(host, port);
    if (r.requests) return run_and_print(&client, &r, rounds);
    serve_rounds(run_round, &client);
    return 0;
}

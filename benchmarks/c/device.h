/*
 * The device behind server.c: four tables and the answer to one request (function codes 1 to 6, 15, 16 and 23).
 *
 * Registers are kept in wire order and bits packed, so that a read is one memcpy and the server stays out of the measurement.
 */
#ifndef FASTMODBUS_BENCH_DEVICE_H
#define FASTMODBUS_BENCH_DEVICE_H

#include "bench.h"

static uint8_t holding[2 * TABLE], inputs[2 * TABLE];
static uint8_t coils[TABLE / 8 + 1], discretes[TABLE / 8 + 1]; /* one spare byte: an unaligned read looks one byte ahead */

static void fill_tables(void) {
    for (unsigned i = 0; i < TABLE; i++) {
        store16(holding + 2 * i, holding_value(i));
        store16(inputs + 2 * i, input_value(i));
        coils[i / 8] |= (uint8_t)(bit_value(i) << i % 8);
        discretes[i / 8] |= (uint8_t)(bit_value(i + 1) << i % 8);
    }
}

static size_t exception(uint8_t *pdu, unsigned function, unsigned code) {
    pdu[0] = (uint8_t)(function | 0x80);
    pdu[1] = (uint8_t)code;
    return 2;
}

/* 0 when the range is readable, else the exception code that tells why not. */
static unsigned refuse(unsigned address, unsigned quantity, unsigned limit) {
    if (quantity < 1 || quantity > limit) return 3;
    return address + quantity > TABLE ? 2 : 0;
}

static size_t read_words(const uint8_t *table, const uint8_t *q, uint8_t *pdu) {
    unsigned address = load16(q + 1), quantity = load16(q + 3), code = refuse(address, quantity, 125);
    if (code) return exception(pdu, q[0], code);
    pdu[0] = q[0];
    pdu[1] = (uint8_t)(2 * quantity);
    memcpy(pdu + 2, table + 2 * address, 2 * quantity);
    return 2 + 2 * quantity;
}

static size_t read_bits(const uint8_t *table, const uint8_t *q, uint8_t *pdu) {
    unsigned address = load16(q + 1), quantity = load16(q + 3), code = refuse(address, quantity, 2000);
    if (code) return exception(pdu, q[0], code);
    unsigned bytes = (quantity + 7) / 8, shift = address % 8;
    const uint8_t *from = table + address / 8;
    pdu[0] = q[0];
    pdu[1] = (uint8_t)bytes;
    for (unsigned i = 0; i < bytes; i++) pdu[2 + i] = (uint8_t)((from[i] | from[i + 1] << 8) >> shift);
    if (quantity % 8) pdu[1 + bytes] &= (uint8_t)((1 << quantity % 8) - 1);
    return 2 + bytes;
}

static void set_coil(unsigned address, unsigned on) {
    uint8_t mask = (uint8_t)(1 << address % 8);
    coils[address / 8] = on ? coils[address / 8] | mask : coils[address / 8] & (uint8_t)~mask;
}

static size_t echo(const uint8_t *q, uint8_t *pdu) {
    memcpy(pdu, q, 5);
    return 5;
}

static size_t write_one(const uint8_t *q, uint8_t *pdu) {
    unsigned address = load16(q + 1), value = load16(q + 3);
    if (q[0] == 5 && value != 0xFF00 && value != 0) return exception(pdu, q[0], 3);
    if (q[0] == 5) set_coil(address, value != 0);
    else store16(holding + 2 * address, value);
    return echo(q, pdu);
}

static size_t write_many(const uint8_t *q, size_t length, uint8_t *pdu) {
    unsigned address = load16(q + 1), quantity = load16(q + 3), bits = q[0] == 15;
    unsigned bytes = bits ? (quantity + 7) / 8 : 2 * quantity, code = refuse(address, quantity, bits ? 1968 : 123);
    if (!code && (q[5] != bytes || length != 6 + bytes)) code = 3;
    if (code) return exception(pdu, q[0], code);
    if (!bits) memcpy(holding + 2 * address, q + 6, bytes);
    else
        for (unsigned i = 0; i < quantity; i++) set_coil(address + i, q[6 + i / 8] >> i % 8 & 1);
    return echo(q, pdu);
}

static size_t write_and_read(const uint8_t *q, size_t length, uint8_t *pdu) {
    unsigned address = load16(q + 5), quantity = load16(q + 7), code = refuse(address, quantity, 121);
    if (!code && (q[9] != 2 * quantity || length != 10 + 2 * quantity)) code = 3;
    if (code) return exception(pdu, q[0], code);
    memcpy(holding + 2 * address, q + 10, 2 * quantity);
    return read_words(holding, q, pdu);
}

static size_t answer_pdu(const uint8_t *q, size_t length, uint8_t *pdu) {
    static const uint8_t shortest[24] = {[1] = 5, [2] = 5, [3] = 5, [4] = 5, [5] = 5, [6] = 5, [15] = 7, [16] = 8, [23] = 12};
    if (q[0] > 23 || !shortest[q[0]]) return exception(pdu, q[0] & 0x7F, 1);
    if (length < shortest[q[0]]) return exception(pdu, q[0], 3);
    switch (q[0]) {
    case 1: return read_bits(coils, q, pdu);
    case 2: return read_bits(discretes, q, pdu);
    case 3: return read_words(holding, q, pdu);
    case 4: return read_words(inputs, q, pdu);
    case 15:
    case 16: return write_many(q, length, pdu);
    case 23: return write_and_read(q, length, pdu);
    default: return write_one(q, pdu);
    }
}

/* One request ADU in, one answer ADU out; returns the answer's size. */
static size_t answer_request(const uint8_t *request, size_t length, uint8_t *answer) {
    size_t pdu = answer_pdu(request + MBAP, length - MBAP, answer + MBAP);
    memcpy(answer, request, 4);
    store16(answer + 4, (unsigned)pdu + 1);
    answer[6] = request[6];
    return MBAP + pdu;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The classic BPF program that shares datagrams out to the workers. In it, offset 0 is the UDP
 * payload, SKF_NET_OFF the IP header. A load beyond the end would end it with 0, so lengths are
 * checked first. */
#include "steering_priv.h"

#include "usher/bytes.h"

#include <linux/filter.h>
#include <sys/socket.h>

enum {
    RECORD_HEADER = 13,
    CONTENT_HANDSHAKE = 22,
    CONTENT_CID = 25, /* tls12_cid, RFC 9146 section 4 */
    MESSAGE_CLIENT_HELLO = 1,
    EPOCH_AT = 3,
    CID_AT = 11,
    IPV4_SOURCE_AT = 12,
    IPV4_PORT_AT = 20,   /* IP options do not travel the Internet */
    IPV6_SOURCE_AT = 20, /* the last 32 bits */
    IPV6_PORT_AT = 40,
    KIND_CELL = 0,
    ADDRESS_CELL = 1,
};

bool steering_attach(int fd, uint32_t workers)
{
    uint32_t keys[2];

    bytes_random(keys, sizeof keys);
    const uint32_t address_key = keys[0] | 1, port_key = keys[1] | 1;
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_IMM, STEERING_RECORDS),
        BPF_STMT(BPF_ST, KIND_CELL),
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, RECORD_HEADER, 0, 13), /* else: by source */
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CONTENT_CID, 0, 4), /* else: a hello? */
        /* A Connection ID names its worker. */
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, CID_AT),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, workers, 9, 0), /* none of ours: by source */
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, STEERING_KINDS),
        BPF_STMT(BPF_RET | BPF_A, 0),
        /* A hello? */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CONTENT_HANDSHAKE, 0, 6),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, EPOCH_AT),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, RECORD_HEADER),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MESSAGE_CLIENT_HELLO, 0, 2),
        BPF_STMT(BPF_LD | BPF_IMM, STEERING_HELLOS),
        BPF_STMT(BPF_ST, KIND_CELL),
        /* By source. */
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 5, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + IPV4_SOURCE_AT)),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, address_key),
        BPF_STMT(BPF_ST, ADDRESS_CELL),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_NET_OFF + IPV4_PORT_AT)),
        BPF_STMT(BPF_JMP | BPF_JA, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + IPV6_SOURCE_AT)),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, address_key),
        BPF_STMT(BPF_ST, ADDRESS_CELL),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_NET_OFF + IPV6_PORT_AT)),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, port_key),
        BPF_STMT(BPF_LDX | BPF_MEM, ADDRESS_CELL),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, STEERING_KINDS),
        BPF_STMT(BPF_LDX | BPF_MEM, KIND_CELL),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog attached = {sizeof program / sizeof program[0], program};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached, sizeof attached) == 0;
}

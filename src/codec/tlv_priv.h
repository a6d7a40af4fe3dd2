/* The bits of a TLV's first byte (OMA Core 1.2 section 7.4.5). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_TLV_PRIV_H
#define USHER_TLV_PRIV_H

enum tlv_kind {
    TLV_OBJECT_INSTANCE = 0,
    TLV_RESOURCE_INSTANCE = 1,
    TLV_MULTIPLE_RESOURCE = 2,
    TLV_RESOURCE = 3,
};

enum {
    TLV_KIND_SHIFT = 6,
    TLV_WIDE_ID = 0x20,   /* the id has 16 bits */
    TLV_LENGTH_SHIFT = 3, /* bytes of the length field; 0: the length is in the low bits */
    TLV_SHORT_LENGTH = 0x07,
    TLV_LENGTH_MAX = 0xffffff,
};

#endif

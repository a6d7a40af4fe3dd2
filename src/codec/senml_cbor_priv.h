/* The labels of SenML CBOR (RFC 8428 section 6). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SENML_CBOR_PRIV_H
#define USHER_SENML_CBOR_PRIV_H

enum {
    LABEL_BASE_SUM = -6,
    LABEL_BASE_VALUE = -5,
    LABEL_BASE_NAME = -2,
    LABEL_NAME = 0,
    LABEL_VALUE = 2,
    LABEL_STRING = 3,
    LABEL_BOOLEAN = 4,
    LABEL_SUM = 5,
    LABEL_DATA = 8,
};

/* A link has no number of its own (OMA Core 1.2 section 7.4.4). */
#define LABEL_OBJLINK "vlo"

#endif

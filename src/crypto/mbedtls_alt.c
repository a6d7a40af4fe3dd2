/* SPDX-License-Identifier: Apache-2.0 */
/* Mbed TLS's own hooks (MBEDTLS_*_ALT in usher_mbedtls_config.h): these definitions stand in for
 * its ECDSA, ECDH and SHA-256 block. A hook replaces a function for all curves, so each curve that
 * the configuration enables has its row in curve_of. */
#include "usher/ec.h"

#include <mbedtls/ecdh.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/sha256.h>

enum { NONCE_TRIES = 10 };

#if defined(MBEDTLS_ECDSA_DETERMINISTIC) || defined(MBEDTLS_ECP_RESTARTABLE)
#error "deterministic or restartable signatures would go round the replaced functions"
#endif

static bool curve_of(const mbedtls_ecp_group *group, enum ec_curve *curve)
{
    switch (group->id) {
    case MBEDTLS_ECP_DP_SECP256R1:
        *curve = EC_P256;
        return true;
    case MBEDTLS_ECP_DP_SECP384R1:
        *curve = EC_P384;
        return true;
    default:
        return false;
    }
}

static int error_of(enum ec_result result)
{
    switch (result) {
    case EC_OK:
        return 0;
    case EC_BAD_POINT:
    case EC_BAD_NUMBER:
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    case EC_BAD_SIGNATURE:
        return MBEDTLS_ERR_ECP_VERIFY_FAILED;
    case EC_TRY_AGAIN:
        return MBEDTLS_ERR_ECP_RANDOM_FAILED;
    case EC_FAILED:
        break;
    }
    return MBEDTLS_ERR_ECP_ALLOC_FAILED;
}

/* mbedtls_mpi_write_binary looks at the size alone. */
static bool write_number(const mbedtls_mpi *number, enum ec_curve curve, uint8_t *out)
{
    return mbedtls_mpi_cmp_int(number, 1) >= 0 &&
           mbedtls_mpi_write_binary(number, out, ec_size(curve)) == 0;
}

/* False for infinity and for coordinates that are not affine. */
static bool write_point(const mbedtls_ecp_group *group, const mbedtls_ecp_point *point,
                        enum ec_curve curve, uint8_t *out)
{
    uint8_t octets[1 + EC_POINT_MAX];
    size_t len, wanted = 1 + 2 * ec_size(curve);

    if (mbedtls_mpi_cmp_int(&point->MBEDTLS_PRIVATE(Z), 1) != 0 ||
        mbedtls_ecp_point_write_binary(group, point, MBEDTLS_ECP_PF_UNCOMPRESSED, &len, octets,
                                       sizeof octets) != 0 ||
        len != wanted)
        return false;
    for (size_t i = 1; i < wanted; i++)
        out[i - 1] = octets[i];
    return true;
}

static int read_point(mbedtls_ecp_point *point, enum ec_curve curve, const uint8_t *bytes)
{
    size_t size = ec_size(curve);
    int result = mbedtls_mpi_read_binary(&point->MBEDTLS_PRIVATE(X), bytes, size);

    if (result == 0)
        result = mbedtls_mpi_read_binary(&point->MBEDTLS_PRIVATE(Y), bytes + size, size);
    if (result == 0)
        result = mbedtls_mpi_lset(&point->MBEDTLS_PRIVATE(Z), 1);
    return result;
}

int mbedtls_ecdh_gen_public(mbedtls_ecp_group *grp, mbedtls_mpi *d, mbedtls_ecp_point *Q,
                            int (*f_rng)(void *, unsigned char *, size_t), void *p_rng)
{
    uint8_t private[EC_SIZE_MAX], point[EC_POINT_MAX];
    enum ec_curve curve;

    if (!curve_of(grp, &curve))
        return MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
    int result = mbedtls_ecp_gen_privkey(grp, d, f_rng, p_rng);
    if (result != 0)
        return result;
    if (!write_number(d, curve, private))
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    result = error_of(ec_public(curve, private, point));
    bytes_wipe(private, sizeof private);
    return result != 0 ? result : read_point(Q, curve, point);
}

int mbedtls_ecdh_compute_shared(mbedtls_ecp_group *grp, mbedtls_mpi *z, const mbedtls_ecp_point *Q,
                                const mbedtls_mpi *d, int (*f_rng)(void *, unsigned char *, size_t),
                                void *p_rng)
{
    uint8_t private[EC_SIZE_MAX], point[EC_POINT_MAX], shared[EC_SIZE_MAX];
    enum ec_curve curve;

    if (!curve_of(grp, &curve))
        return MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
    if (!write_point(grp, Q, curve, point) || !write_number(d, curve, private))
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    int result = error_of(ec_shared(curve, private, point, shared));
    if (result == 0)
        result = mbedtls_mpi_read_binary(z, shared, ec_size(curve));
    bytes_wipe(private, sizeof private);
    bytes_wipe(shared, sizeof shared);
    return result;
}

static int draw_nonce(mbedtls_ecp_group *group, enum ec_curve curve,
                      int (*random)(void *, unsigned char *, size_t), void *context, uint8_t *out)
{
    mbedtls_mpi nonce;

    mbedtls_mpi_init(&nonce);
    int result = mbedtls_ecp_gen_privkey(group, &nonce, random, context);
    if (result == 0)
        result = mbedtls_mpi_write_binary(&nonce, out, ec_size(curve));
    mbedtls_mpi_free(&nonce); /* wipes */
    return result;
}

int mbedtls_ecdsa_sign(mbedtls_ecp_group *grp, mbedtls_mpi *r, mbedtls_mpi *s, const mbedtls_mpi *d,
                       const unsigned char *buf, size_t blen,
                       int (*f_rng)(void *, unsigned char *, size_t), void *p_rng)
{
    uint8_t private[EC_SIZE_MAX], nonce[EC_SIZE_MAX], r_bytes[EC_SIZE_MAX], s_bytes[EC_SIZE_MAX];
    enum ec_result signing = EC_TRY_AGAIN;
    enum ec_curve curve;

    if (!curve_of(grp, &curve))
        return MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
    if (!write_number(d, curve, private))
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    int result = 0;
    for (int tries = 0; result == 0 && signing == EC_TRY_AGAIN && tries < NONCE_TRIES; tries++) {
        result = draw_nonce(grp, curve, f_rng, p_rng, nonce);
        if (result == 0)
            signing = ec_sign(curve, private, nonce, bytes_of(buf, blen), r_bytes, s_bytes);
    }
    bytes_wipe(private, sizeof private);
    bytes_wipe(nonce, sizeof nonce);
    if (result == 0)
        result = error_of(signing);
    if (result == 0)
        result = mbedtls_mpi_read_binary(r, r_bytes, ec_size(curve));
    return result != 0 ? result : mbedtls_mpi_read_binary(s, s_bytes, ec_size(curve));
}

int mbedtls_ecdsa_verify(mbedtls_ecp_group *grp, const unsigned char *buf, size_t blen,
                         const mbedtls_ecp_point *Q, const mbedtls_mpi *r, const mbedtls_mpi *s)
{
    uint8_t point[EC_POINT_MAX], r_bytes[EC_SIZE_MAX], s_bytes[EC_SIZE_MAX];
    enum ec_curve curve;

    if (!curve_of(grp, &curve))
        return MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
    if (!write_point(grp, Q, curve, point))
        return MBEDTLS_ERR_ECP_INVALID_KEY;
    if (!write_number(r, curve, r_bytes) || !write_number(s, curve, s_bytes))
        return MBEDTLS_ERR_ECP_VERIFY_FAILED;
    return error_of(ec_verify(curve, point, bytes_of(buf, blen), r_bytes, s_bytes));
}

int mbedtls_internal_sha256_process(mbedtls_sha256_context *ctx, const unsigned char data[64])
{
    ec_sha256_block(ctx->MBEDTLS_PRIVATE(state), data);
    return 0;
}

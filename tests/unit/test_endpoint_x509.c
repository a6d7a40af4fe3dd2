/* Handshakes with certificates on the false network: who gets in, as whom, and who does not. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint_world.h"
#include "usher/x509.h"

#include <time.h>

#include "pki.h"

struct fixture {
    struct pki_folder folder;
    struct pki root, authority, server, foreign;
    struct x509_settings settings;
    const char *crls[1];
    struct x509 *x509;
    struct device_files files;
    struct world *world;
};

static const int any_suite[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
                                MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, 0};

static void no_warning(void *context, const char *text)
{
    (void)context, (void)text;
}

static void load(struct fixture *f)
{
    struct err err = {0};

    x509_unref(f->x509);
    if (x509_load(&f->settings, (int64_t)time(NULL) * 1000, no_warning, NULL, &f->x509, &err) !=
        ERR_OK)
        fail_msg("%s", err.text);
}

static struct pki make(const struct pki *issuer, struct pki_wish wish)
{
    return pki_make(&wish, issuer);
}

static void start_world(struct fixture *f, struct endpoint_listener listener)
{
    struct endpoint_config config = world_config(&listener);

    listener.handshake_min_ms = 1000;
    listener.handshake_max_ms = 60000;
    listener.ack_timeout_ms = 2000;
    config.x509 = f->x509;
    if (f->world != NULL)
        world_free(f->world);
    f->world = world_new(&config);
    f->world->files = &f->files;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    pki_folder_make(&f->folder);
    f->root = make(NULL, (struct pki_wish){.name = "Root", .ca = true});
    f->authority = make(&f->root, (struct pki_wish){.name = "Devices", .ca = true});
    f->server = make(&f->authority, (struct pki_wish){.name = "bs.city.example"});
    f->foreign = make(NULL, (struct pki_wish){.name = "Devices", .ca = true});
    f->settings = (struct x509_settings){
        .certificate = pki_write(&f->folder, "server.pem", &f->server, &f->authority, NULL),
        .key = pki_write_key(&f->folder, "server.key", &f->server, 0600),
        .client_ca = pki_write(&f->folder, "ca.pem", &f->root, NULL),
        .crls = f->crls,
        .names = X509_ALL,
    };
    f->files.ca = pki_write(&f->folder, "trust.pem", &f->root, NULL);
    load(f);
    start_world(f, (struct endpoint_listener){.x509 = true, .gcm = true, .cbc = true});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    world_free(f->world);
    x509_unref(f->x509);
    pki_clear(&f->root);
    pki_clear(&f->authority);
    pki_clear(&f->server);
    pki_clear(&f->foreign);
    pki_folder_remove(&f->folder);
    free(f);
    return 0;
}

/* A device with this certificate and the chain above it shakes hands. */
static struct device *present(struct fixture *f, const struct pki *own, const struct pki *above,
                              const int *suites)
{
    f->files.chain = pki_write(&f->folder, "device.pem", own, above, NULL);
    f->files.key = pki_write_key(&f->folder, "device.key", own, 0600);
    struct device *device = device_start(f->world, 0, NULL, NULL, suites, 1000);
    world_run(f->world, 500);
    return device;
}

static struct device *present_wish(struct fixture *f, struct pki_wish wish)
{
    struct pki own = pki_make(&wish, &f->authority);
    struct device *device = present(f, &own, &f->authority, any_suite);

    pki_clear(&own);
    return device;
}

static void check_in(struct fixture *f, const struct device *device, const char *name)
{
    if (!device->open)
        fail_msg("not in: -0x%04x; %s", (unsigned)-device->error, f->world->rejected_detail);
    assert_int_equal(f->world->info.proof, PROOF_CERTIFICATE);
    assert_non_null(f->world->info.names);
    assert_string_equal(names_first(f->world->info.names), name);
}

/* The cause, the subject and the reason are told, the device hears an alert, nothing is left. */
static void check_out(struct fixture *f, const struct device *device, const char *subject,
                      const char *reason)
{
    struct endpoint_counters counters = counters_of(f->world);

    assert_false(device->open);
    assert_int_equal(f->world->established, 0);
    assert_int_equal(f->world->cause, CAUSE_BAD_CERTIFICATE);
    assert_string_equal(f->world->rejected_identity, subject);
    if (strstr(f->world->rejected_detail, reason) == NULL)
        fail_msg("'%s' is not in: %s", reason, f->world->rejected_detail);
    assert_int_equal(f->world->rejected, counters.handshakes_failed);
    assert_int_equal(counters.half_open, 0);
    assert_int_equal(counters.open, 0);
    assert_int_equal(endpoint_next(f->world->endpoint), UINT64_MAX);
    assert_int_equal(device->error, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
}

static void check_wish_out(struct fixture *f, struct pki_wish wish, const char *reason)
{
    check_out(f, present_wish(f, wish), wish.name, reason);
}

/* ---- who gets in ---- */

static void test_each_suite(void **state)
{
    struct fixture *f = *state;
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});

    for (size_t i = 0; any_suite[i] != 0; i++) {
        const int one[] = {any_suite[i], 0};
        struct device *device = present(f, &own, &f->authority, one);
        check_in(f, device, "lamp7");
        assert_int_equal(f->world->info.round_trip_ms, 20);
        assert_true(bytes_equal(identity_bytes(&f->world->info.identity), bytes_of_text("lamp7")));
        device_ask(device, 1, 1);
        world_run(f->world, 100);
        assert_int_equal(f->world->requests, i + 1);
    }
    assert_int_equal(f->world->rejected, 0);
    assert_int_equal(f->world->resolves, 0); /* no look-up of a key */
    pki_clear(&own);
}

static void test_suites_of_the_listener(void **state)
{
    struct fixture *f = *state;
    static const int gcm[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0};
    static const int cbc[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, 0};
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});

    start_world(f, (struct endpoint_listener){.x509 = true});
    assert_false(present(f, &own, &f->authority, gcm)->open);
    assert_int_equal(f->world->cause, CAUSE_NO_CIPHERSUITE);
    assert_false(present(f, &own, &f->authority, cbc)->open);
    assert_true(present(f, &own, &f->authority, any_suite)->open);
    start_world(f, (struct endpoint_listener){.gcm = true, .cbc = true}); /* keys only */
    assert_false(present(f, &own, &f->authority, any_suite)->open);
    assert_int_equal(f->world->cause, CAUSE_NO_CIPHERSUITE);
    pki_clear(&own);
}

static void test_keys_beside_certificates(void **state)
{
    struct fixture *f = *state;

    f->world->files = NULL;
    assert_true(device_start(f->world, 1, "lamp", test_key, NULL, 1000) != NULL);
    world_run(f->world, 500);
    assert_int_equal(f->world->established, 1);
    assert_int_equal(f->world->info.proof, PROOF_PSK);
    assert_null(f->world->info.names);
    start_world(f, (struct endpoint_listener){.x509 = true, .without_psk = true});
    f->world->files = NULL;
    device_start(f->world, 1, "lamp", test_key, NULL, 1000);
    world_run(f->world, 500);
    assert_int_equal(f->world->established, 0);
    assert_int_equal(f->world->cause, CAUSE_NO_CIPHERSUITE);
    assert_int_equal(f->world->resolves, 0);
}

/* Chains of one, two and three certificates, in one piece and in many. */
static void test_chains_in_fragments(void **state)
{
    struct fixture *f = *state;
    struct pki deep = make(&f->authority, (struct pki_wish){.name = "Line 3", .ca = true});
    struct pki own[] = {
        make(&f->root, (struct pki_wish){.name = "short"}),
        make(&f->authority, (struct pki_wish){.name = "middle"}),
        make(&deep, (struct pki_wish){.name = "long"}),
    };
    static const uint16_t mtus[] = {0, 600, 200};

    for (size_t i = 0; i < 3; i++) {
        f->files.mtu = mtus[i];
        check_in(f, present(f, &own[0], NULL, any_suite), "short");
        check_in(f, present(f, &own[1], &f->authority, any_suite), "middle");
        pki_write(&f->folder, "device.pem", &own[2], &deep, &f->authority, NULL);
        pki_write_key(&f->folder, "device.key", &own[2], 0600);
        struct device *device = device_start(f->world, 0, NULL, NULL, any_suite, 1000);
        world_run(f->world, 500);
        check_in(f, device, "long");
    }
    assert_int_equal(f->world->established, 9);
    for (size_t i = 0; i < 3; i++)
        pki_clear(&own[i]);
    pki_clear(&deep);
}

static bool lose_every_fifth(struct world *world, struct datagram *datagram)
{
    return (world->sent[0] + world->sent[1]) % 5 != 0;
}

static void test_fragments_on_a_bad_network(void **state)
{
    struct fixture *f = *state;
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});

    f->files.mtu = 300;
    f->world->pass = lose_every_fifth;
    f->world->duplicate = 1;
    struct device *device = present(f, &own, &f->authority, any_suite);
    world_run(f->world, 60000);
    check_in(f, device, "lamp7");
    pki_clear(&own);
}

static void test_p384(void **state)
{
    struct fixture *f = *state;

    check_in(
        f,
        present_wish(f, (struct pki_wish){.name = "lamp7", .curve = "P-384", .digest = "SHA384"}),
        "lamp7");
}

static void test_usages_that_fit(void **state)
{
    struct fixture *f = *state;

    check_in(f,
             present_wish(f, (struct pki_wish){.name = "lamp7",
                                               .usage = "critical,digitalSignature",
                                               .extended_usage = "clientAuth,serverAuth"}),
             "lamp7");
}

/* ---- as whom ---- */

static void test_names(void **state)
{
    struct fixture *f = *state;

    check_in(f,
             present_wish(f, (struct pki_wish){.name = "lamp7",
                                               .second = "lamp8",
                                               .alternatives =
                                                   "DNS:lamp7.example,URI:urn:dev:os:0042-lamp7,"
                                                   "email:lamp@example.org,IP:192.0.2.7"}),
             "lamp8"); /* the first common name stands first */
    const struct names *names = f->world->info.names;
    assert_int_equal(names->count, 4);
    assert_true(names_have(names, "lamp7"));
    assert_true(names_have(names, "urn:dev:os:0042-lamp7"));
    assert_true(names_have(names, "lamp7.example"));
    assert_false(names_have(names, "lamp@example.org"));
    assert_false(names_have(names, "City"));
    check_in(f, present_wish(f, (struct pki_wish){.alternatives = "URI:urn:x,DNS:y"}), "urn:x");
}

static void test_names_by_policy(void **state)
{
    struct fixture *f = *state;

    f->settings.names = X509_DNS;
    load(f);
    assert_int_equal(endpoint_set_x509(f->world->endpoint, f->x509), ERR_OK);
    check_wish_out(f, (struct pki_wish){.name = "lamp7", .alternatives = "URI:urn:lamp7"},
                   "no name that an endpoint can have");
    check_in(f, present_wish(f, (struct pki_wish){.name = "lamp7", .alternatives = "DNS:lamp8"}),
             "lamp8");
    assert_int_equal(f->world->info.names->count, 1);
}

/* A NUL or a control character in a name must not cut it short or get through. */
static void test_names_that_are_none(void **state)
{
    struct fixture *f = *state;
    struct pki_wish wish = {.name = "lamp7"};
    struct pki own = pki_make(&wish, &f->authority);
    X509_NAME *subject = X509_NAME_new();
    static const unsigned char nul[] = "lamp7\0.evil";

    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, nul, sizeof nul - 1, -1, 0);
    X509_set_subject_name(own.certificate, subject);
    X509_sign(own.certificate, f->authority.key, EVP_sha256());
    struct device *device = present(f, &own, &f->authority, any_suite);
    assert_false(device->open);
    assert_int_equal(f->world->cause, CAUSE_BAD_CERTIFICATE);
    X509_NAME_free(subject);
    pki_clear(&own);
    assert_false(present_wish(f, (struct pki_wish){.name = "lamp\n7"})->open);
    assert_int_equal(f->world->cause, CAUSE_BAD_CERTIFICATE);
}

/* ---- who does not ---- */

static void test_expired_and_early(void **state)
{
    struct fixture *f = *state;

    check_wish_out(f, (struct pki_wish){.name = "lamp7", .from_days = -9, .until_days = -1},
                   "has expired");
    check_wish_out(f, (struct pki_wish){.name = "lamp7", .from_days = 2}, "not valid yet");
}

static void test_usages_that_do_not_fit(void **state)
{
    struct fixture *f = *state;

    check_wish_out(f, (struct pki_wish){.name = "lamp7", .usage = "keyEncipherment"}, "key usage");
    check_wish_out(f, (struct pki_wish){.name = "lamp7", .extended_usage = "serverAuth"},
                   "extended key usage");
    check_wish_out(f, (struct pki_wish){.name = "lamp7", .extended_usage = "codeSigning"},
                   "extended key usage");
}

/* A device whose own library would not touch what it shows: the bytes take the place of its
 * certificate's when the handshake has begun. */
static struct device *show_bytes(struct fixture *f, const void *bytes, size_t len)
{
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});

    f->files.chain = pki_write(&f->folder, "device.pem", &own, &f->authority, NULL);
    f->files.key = pki_write_key(&f->folder, "device.key", &own, 0600);
    struct device *device = device_start(f->world, 0, NULL, NULL, any_suite, 1000);
    free(device->chain.raw.p);
    device->chain.raw.p = calloc(1, len + 1);
    assert_non_null(device->chain.raw.p);
    memcpy(device->chain.raw.p, bytes, len);
    device->chain.raw.len = len;
    world_run(f->world, 500);
    pki_clear(&own);
    return device;
}

static void check_bytes_out(struct fixture *f, const void *bytes, size_t len)
{
    unsigned before = f->world->rejected;

    assert_false(show_bytes(f, bytes, len)->open);
    assert_int_equal(f->world->rejected, before + 1);
    assert_int_equal(f->world->cause, CAUSE_BAD_CERTIFICATE);
    assert_int_equal(counters_of(f->world).half_open, 0);
}

static void test_weak_algorithms(void **state)
{
    struct fixture *f = *state;
    static const struct pki_wish wishes[] = {
        {.name = "lamp7", .digest = "SHA1"},     {.name = "lamp7", .digest = "SHA224"},
        {.name = "lamp7", .curve = "P-224"},     {.name = "lamp7", .curve = "P-521"},
        {.name = "lamp7", .curve = "secp256k1"}, {.name = "lamp7", .curve = "rsa"},
    };

    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        struct pki weak = pki_make(&wishes[i], &f->authority);
        unsigned char *der = NULL;
        int len = i2d_X509(weak.certificate, &der);
        assert_true(len > 0);
        check_bytes_out(f, der, (size_t)len);
        OPENSSL_free(der);
        pki_clear(&weak);
    }
    assert_int_equal(f->world->established, 0);
}

/* Cut short within its first part, and bytes of that flipped. */
static void test_damaged_certificates(void **state)
{
    struct fixture *f = *state;
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});
    unsigned char *der = NULL;
    int len = i2d_X509(own.certificate, &der);

    assert_true(len > 100);
    for (int i = 0; i < 60; i += 2) {
        check_bytes_out(f, der, (size_t)i);
        der[i] ^= 0x21;
        check_bytes_out(f, der, (size_t)len);
        der[i] ^= 0x21;
    }
    OPENSSL_free(der);
    pki_clear(&own);
}

/* Same name of the CA, another key; and none above it at all. */
static void test_foreign_authority(void **state)
{
    struct fixture *f = *state;
    struct pki own = make(&f->foreign, (struct pki_wish){.name = "lamp7"});
    struct pki alone = make(NULL, (struct pki_wish){.name = "lamp7"});

    check_out(f, present(f, &own, &f->foreign, any_suite), "lamp7", "comes from no CA");
    check_out(f, present(f, &own, &f->authority, any_suite), "lamp7", "comes from no CA");
    check_out(f, present(f, &own, NULL, any_suite), "lamp7", "comes from no CA");
    check_out(f, present(f, &alone, NULL, any_suite), "lamp7", "comes from no CA");
    pki_clear(&own);
    pki_clear(&alone);
}

/* A device's certificate vouches for nobody. */
static void test_device_that_plays_authority(void **state)
{
    struct fixture *f = *state;
    struct pki device = make(&f->authority, (struct pki_wish){.name = "lamp7"});
    struct pki own = make(&device, (struct pki_wish){.name = "lamp8"});

    pki_write(&f->folder, "device.pem", &own, &device, &f->authority, NULL);
    f->files.chain = pki_path(&f->folder, "device.pem");
    f->files.key = pki_write_key(&f->folder, "device.key", &own, 0600);
    struct device *started = device_start(f->world, 0, NULL, NULL, any_suite, 1000);
    world_run(f->world, 500);
    check_out(f, started, "lamp8", "comes from no CA");
    pki_clear(&own);
    pki_clear(&device);
}

static void test_name_constraints(void **state)
{
    struct fixture *f = *state;
    struct pki bound = make(
        &f->root,
        (struct pki_wish){.name = "Bound", .ca = true, .constraints = "permitted;DNS:.example"});
    struct pki own = make(&bound, (struct pki_wish){.name = "lamp7"});

    check_out(f, present(f, &own, &bound, any_suite), "lamp7", "name constraints");
    pki_clear(&own);
    pki_clear(&bound);
}

static void test_no_certificate(void **state)
{
    struct fixture *f = *state;

    struct device *device = device_start(f->world, 0, NULL, NULL, any_suite, 1000);
    world_run(f->world, 500);
    check_out(f, device, "", "is missing");
}

/* Somebody shows a certificate that is not his. */
static void test_key_of_another(void **state)
{
    struct fixture *f = *state;
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});
    struct pki thief = make(&f->authority, (struct pki_wish){.name = "lamp8"});

    f->files.chain = pki_write(&f->folder, "device.pem", &own, &f->authority, NULL);
    f->files.key = pki_write_key(&f->folder, "device.key", &thief, 0600);
    struct device *device = device_start(f->world, 0, NULL, NULL, any_suite, 1000);
    world_run(f->world, 500);
    check_out(f, device, "lamp7", "does not hold the key");
    pki_clear(&own);
    pki_clear(&thief);
}

/* The device does not trust us: that is no fault of its certificate. */
static void test_device_that_refuses_the_server(void **state)
{
    struct fixture *f = *state;
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});

    f->files.ca = pki_write(&f->folder, "trust.pem", &f->foreign, NULL);
    assert_false(present(f, &own, &f->authority, any_suite)->open);
    assert_int_equal(f->world->rejected, 1);
    assert_int_equal(f->world->cause, CAUSE_HANDSHAKE_FAILED);
    assert_string_equal(f->world->rejected_detail, "the device sent alert 48"); /* unknown_ca */
    assert_int_equal(counters_of(f->world).half_open, 0);
    pki_clear(&own);
}

/* ---- revocation ---- */

static void use_crl(struct fixture *f, const struct pki *revoked, int until_days, bool warn)
{
    f->crls[0] = pki_write_crl(&f->folder, "ca.crl", &f->authority, revoked, until_days);
    f->settings.crl_count = 1;
    f->settings.expired_crl_is_good = warn;
    f->settings.client_ca = pki_write(&f->folder, "ca.pem", &f->root, &f->authority, NULL);
    load(f);
    assert_int_equal(endpoint_set_x509(f->world->endpoint, f->x509), ERR_OK);
}

static void test_revoked(void **state)
{
    struct fixture *f = *state;
    struct pki gone = make(&f->authority, (struct pki_wish){.name = "lamp7"});
    struct pki good = make(&f->authority, (struct pki_wish){.name = "lamp8"});

    use_crl(f, &gone, 7, false);
    check_out(f, present(f, &gone, &f->authority, any_suite), "lamp7", "revoked");
    check_in(f, present(f, &good, &f->authority, any_suite), "lamp8");
    pki_clear(&gone);
    pki_clear(&good);
}

static void test_expired_crl(void **state)
{
    struct fixture *f = *state;
    struct pki gone = make(&f->authority, (struct pki_wish){.name = "lamp7"});
    struct pki good = make(&f->authority, (struct pki_wish){.name = "lamp8"});

    use_crl(f, &gone, -1, false);
    check_out(f, present(f, &good, &f->authority, any_suite), "lamp8", "CRL of its issuer");
    check_out(f, present(f, &gone, &f->authority, any_suite), "lamp7", "revoked");
    use_crl(f, &gone, -1, true);
    check_out(f, present(f, &gone, &f->authority, any_suite), "lamp7", "revoked");
    check_in(f, present(f, &good, &f->authority, any_suite), "lamp8");
    pki_clear(&gone);
    pki_clear(&good);
}

/* ---- reload ---- */

/* I7: what has begun goes on with what it began with; what begins then does not. */
static void test_reload(void **state)
{
    struct fixture *f = *state;
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});
    struct device *open = present(f, &own, &f->authority, any_suite);

    check_in(f, open, "lamp7");
    struct device *half = device_start(f->world, 1, NULL, NULL, any_suite, 1000);
    world_run(f->world, 35); /* the server's certificate is out */
    assert_false(half->open);
    assert_int_equal(counters_of(f->world).half_open, 1);

    f->settings.client_ca = pki_write(&f->folder, "ca.pem", &f->foreign, NULL);
    load(f);
    assert_int_equal(endpoint_set_x509(f->world->endpoint, f->x509), ERR_OK);
    world_run(f->world, 500);
    assert_true(half->open);
    device_ask(open, 1, 1);
    world_run(f->world, 100);
    assert_int_equal(f->world->requests, 1);

    struct device *late = device_start(f->world, 2, NULL, NULL, any_suite, 1000);
    world_run(f->world, 500);
    assert_false(late->open);
    assert_int_equal(f->world->cause, CAUSE_BAD_CERTIFICATE);
    assert_int_equal(counters_of(f->world).open, 2);
    assert_int_equal(endpoint_set_x509(f->world->endpoint, NULL), ERR_OK);
    struct device *later = device_start(f->world, 3, NULL, NULL, any_suite, 1000);
    world_run(f->world, 500);
    assert_false(later->open);
    assert_int_equal(f->world->cause, CAUSE_NO_CIPHERSUITE);
    pki_clear(&own);
}

/* A device that starts over from the same port is known by its certificate again. */
static void test_reboot(void **state)
{
    struct fixture *f = *state;
    struct pki own = make(&f->authority, (struct pki_wish){.name = "lamp7"});

    check_in(f, present(f, &own, &f->authority, any_suite), "lamp7");
    check_in(f, present(f, &own, &f->authority, any_suite), "lamp7");
    assert_int_equal(f->world->closed, 1);
    assert_int_equal(f->world->cause, CAUSE_SUPERSEDED);
    assert_int_equal(counters_of(f->world).open, 1);
    pki_clear(&own);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_each_suite),
        TEST(test_suites_of_the_listener),
        TEST(test_keys_beside_certificates),
        TEST(test_chains_in_fragments),
        TEST(test_fragments_on_a_bad_network),
        TEST(test_p384),
        TEST(test_usages_that_fit),
        TEST(test_names),
        TEST(test_names_by_policy),
        TEST(test_names_that_are_none),
        TEST(test_expired_and_early),
        TEST(test_usages_that_do_not_fit),
        TEST(test_weak_algorithms),
        TEST(test_damaged_certificates),
        TEST(test_foreign_authority),
        TEST(test_device_that_plays_authority),
        TEST(test_name_constraints),
        TEST(test_no_certificate),
        TEST(test_key_of_another),
        TEST(test_device_that_refuses_the_server),
        TEST(test_revoked),
        TEST(test_expired_crl),
        TEST(test_reload),
        TEST(test_reboot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Loading certificates: what is refused, what is warned of, and what is said about it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/x509.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "pki.h"

struct fixture {
    struct pki_folder folder;
    struct pki root, authority, server, other;
    struct x509_settings settings;
    const char *crls[4];
    char warnings[2048];
    struct x509 *x509;
    struct err err;
};

static void note(void *context, const char *text)
{
    struct fixture *f = context;
    size_t used = strlen(f->warnings);

    snprintf(f->warnings + used, sizeof f->warnings - used, "%s\n", text);
}

static enum err_code load(struct fixture *f)
{
    x509_unref(f->x509);
    f->x509 = NULL;
    f->warnings[0] = '\0';
    f->err = (struct err){0};
    return x509_load(&f->settings, (int64_t)time(NULL) * 1000, note, f, &f->x509, &f->err);
}

static struct pki make(const struct pki *issuer, struct pki_wish wish)
{
    return pki_make(&wish, issuer);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    pki_folder_make(&f->folder);
    f->root = make(NULL, (struct pki_wish){.name = "Root", .ca = true, .until_days = 4000});
    f->authority =
        make(&f->root, (struct pki_wish){.name = "Devices", .ca = true, .until_days = 2000});
    f->server = make(&f->authority, (struct pki_wish){.name = "bs.city.example",
                                                      .usage = "digitalSignature",
                                                      .extended_usage = "serverAuth"});
    f->other = make(NULL, (struct pki_wish){.name = "Other", .ca = true});
    f->settings = (struct x509_settings){
        .certificate =
            pki_write(&f->folder, "server.pem", &f->server, &f->authority, &f->root, NULL),
        .key = pki_write_key(&f->folder, "server.key", &f->server, 0600),
        .client_ca = pki_write(&f->folder, "ca.pem", &f->authority, NULL),
        .crls = f->crls,
        .names = X509_ALL,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    x509_unref(f->x509);
    pki_clear(&f->root);
    pki_clear(&f->authority);
    pki_clear(&f->server);
    pki_clear(&f->other);
    pki_folder_remove(&f->folder);
    free(f);
    return 0;
}

/* The error has that code, names the file and says what is wrong; nothing was given out. */
static void check_refused(struct fixture *f, enum err_code code, const char *file,
                          const char *reason)
{
    assert_int_equal(load(f), code);
    assert_null(f->x509);
    assert_non_null(strstr(f->err.text, file));
    if (strstr(f->err.text, reason) == NULL)
        fail_msg("'%s' is not in: %s", reason, f->err.text);
}

static void check_warned(struct fixture *f, const char *reason)
{
    assert_int_equal(load(f), ERR_OK);
    if (strstr(f->warnings, reason) == NULL)
        fail_msg("'%s' is not in: %s", reason, f->warnings);
}

static void check_quiet(struct fixture *f)
{
    if (load(f) != ERR_OK)
        fail_msg("%s", f->err.text);
    assert_string_equal(f->warnings, "");
}

static void test_good_files(void **state)
{
    struct fixture *f = *state;
    struct x509_facts facts;
    int64_t now = (int64_t)time(NULL) * 1000, day = 86400000;

    check_quiet(f);
    x509_read_facts(f->x509, &facts);
    assert_int_equal(facts.authorities, 1);
    assert_int_equal(facts.crls, 0);
    assert_int_equal(facts.crl_issued_ms, 0);
    assert_in_range(facts.certificate_until_ms, now + 399 * day, now + 401 * day);
    f->settings.certificate = pki_write(&f->folder, "server.pem", &f->server, NULL);
    check_quiet(f); /* no issuers: devices have them */
    f->settings.certificate = pki_write(&f->folder, "server.pem", &f->server, &f->authority, NULL);
    check_quiet(f);
    f->settings.client_ca =
        pki_write(&f->folder, "ca.pem", &f->authority, &f->root, &f->other, NULL);
    check_quiet(f);
    x509_read_facts(f->x509, &facts);
    assert_int_equal(facts.authorities, 3);
}

static void test_other_curve_and_forms(void **state)
{
    struct fixture *f = *state;
    struct pki p384 =
        make(NULL, (struct pki_wish){.name = "bs", .curve = "P-384", .digest = "SHA384"});
    const char *path = pki_path(&f->folder, "server.der");
    FILE *file = pki_open(path, 0600);

    i2d_X509_fp(file, p384.certificate);
    fclose(file);
    f->settings.certificate = path;
    f->settings.key = pki_path(&f->folder, "key.der");
    file = pki_open(f->settings.key, 0400);
    i2d_PrivateKey_fp(file, p384.key);
    fclose(file);
    check_quiet(f);
    pki_clear(&p384);
}

static void test_files_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    struct x509_settings good = f->settings;

    f->settings.certificate = "/nothing/server.pem";
    check_refused(f, ERR_IO, "/nothing/server.pem", "No such file");
    f->settings = good;
    f->settings.client_ca = f->folder.path;
    check_refused(f, ERR_INVALID, f->folder.path, "not a file");
    f->settings = good;
    f->settings.key = pki_write_text(&f->folder, "empty.key", "", 0600);
    check_refused(f, ERR_INVALID, "empty.key", "private key");
    f->settings = good;
    f->settings.certificate =
        pki_write_text(&f->folder, "bad.pem",
                       "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", 0644);
    check_refused(f, ERR_INVALID, "bad.pem", "certificates in PEM or DER");
    f->settings = good;
    f->crls[0] = pki_write_text(&f->folder, "bad.crl", "hello", 0644);
    f->settings.crl_count = 1;
    check_refused(f, ERR_INVALID, "bad.crl", "revocation list");
}

/* 0600 and 0400 only. */
static void test_key_that_others_can_read(void **state)
{
    static const unsigned bad[] = {0640, 0604, 0660, 0644, 0610};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pki_write_key(&f->folder, "server.key", &f->server, bad[i]);
        check_refused(f, ERR_DENIED, "server.key", "chmod 400");
    }
    pki_write_key(&f->folder, "server.key", &f->server, 0400);
    check_quiet(f);
}

static void test_key_of_another(void **state)
{
    struct fixture *f = *state;

    pki_write_key(&f->folder, "server.key", &f->authority, 0600);
    check_refused(f, ERR_INVALID, "server.key", "does not belong");
}

static void test_encrypted_key(void **state)
{
    struct fixture *f = *state;
    FILE *file = pki_open(pki_path(&f->folder, "server.key"), 0600);

    unsigned char password[] = "secret";
    PEM_write_PrivateKey(file, f->server.key, EVP_aes_128_cbc(), password, 6, NULL, NULL);
    fclose(file);
    check_refused(f, ERR_INVALID, "server.key", "not encrypted");
}

static void test_chain_out_of_order(void **state)
{
    struct fixture *f = *state;

    pki_write(&f->folder, "server.pem", &f->server, &f->root, &f->authority, NULL);
    check_refused(f, ERR_INVALID, "server.pem", "number 1 is not issued by number 2");
    pki_write(&f->folder, "server.pem", &f->server, &f->authority, &f->other, NULL);
    check_refused(f, ERR_INVALID, "server.pem", "number 2 is not issued by number 3");
    pki_write(&f->folder, "server.pem", &f->server, &f->authority, &f->root, &f->root, NULL);
    check_refused(f, ERR_TOO_LARGE, "server.pem", "at most 3");
}

/* The right name, another's key. */
static void test_chain_that_does_not_verify(void **state)
{
    struct fixture *f = *state;
    struct pki false_one = make(&f->root, (struct pki_wish){.name = "Devices", .ca = true});

    pki_write(&f->folder, "server.pem", &f->server, &false_one, NULL);
    check_refused(f, ERR_INVALID, "server.pem", "do not verify");
    pki_clear(&false_one);
}

static void check_server(struct fixture *f, struct pki_wish wish, enum err_code code,
                         const char *reason)
{
    struct pki made = pki_make(&wish, &f->authority);

    pki_write(&f->folder, "server.pem", &made, NULL);
    pki_write_key(&f->folder, "server.key", &made, 0600);
    if (code != ERR_OK)
        check_refused(f, code, "server.pem", reason);
    else
        check_warned(f, reason);
    pki_clear(&made);
}

static size_t check_quiet_until(struct fixture *f, int days)
{
    check_server(f, (struct pki_wish){.name = "bs", .until_days = days}, ERR_OK, "");
    return strlen(f->warnings);
}

static void test_server_certificate_that_devices_would_refuse(void **state)
{
    struct fixture *f = *state;

    check_server(f, (struct pki_wish){.name = "bs", .usage = "keyAgreement"}, ERR_INVALID,
                 "digital signatures");
    check_server(f, (struct pki_wish){.name = "bs", .extended_usage = "clientAuth"}, ERR_INVALID,
                 "TLS servers");
    check_server(f, (struct pki_wish){.name = "bs", .until_days = 12}, ERR_OK, "expires on");
    check_server(f, (struct pki_wish){.name = "bs", .until_days = 29}, ERR_OK, "expires on");
    assert_int_equal(check_quiet_until(f, 31), 0);
    check_server(f, (struct pki_wish){.name = "bs", .from_days = -9, .until_days = -2}, ERR_OK,
                 "expired on");
    check_server(f, (struct pki_wish){.name = "bs", .from_days = 3}, ERR_OK, "not valid before");
}

static void test_keys_of_other_kinds(void **state)
{
    struct fixture *f = *state;
    static const char *const curves[] = {"rsa", "P-521", "P-224"};

    for (size_t i = 0; i < 3; i++) {
        struct pki made = make(NULL, (struct pki_wish){.name = "bs", .curve = curves[i]});
        pki_write(&f->folder, "server.pem", &made, NULL);
        pki_write_key(&f->folder, "server.key", &made, 0600);
        assert_int_not_equal(load(f), ERR_OK);
        assert_non_null(strstr(f->err.text, "P-256 or P-384"));
        pki_clear(&made);
    }
}

static void check_authority(struct fixture *f, struct pki_wish wish, const char *reason)
{
    struct pki made = pki_make(&wish, NULL);

    pki_write(&f->folder, "ca.pem", &f->authority, &made, NULL);
    assert_int_not_equal(load(f), ERR_OK);
    assert_non_null(strstr(f->err.text, "ca.pem"));
    if (strstr(f->err.text, reason) == NULL)
        fail_msg("'%s' is not in: %s", reason, f->err.text);
    pki_clear(&made);
}

static void test_authorities_that_are_none(void **state)
{
    struct fixture *f = *state;

    check_authority(f, (struct pki_wish){.name = "Lamp"}, "'Lamp' is no CA");
    check_authority(f, (struct pki_wish){.name = "Odd", .ca = true, .usage = "digitalSignature"},
                    "'Odd' may not sign certificates");
    check_authority(f, (struct pki_wish){.name = "Big", .ca = true, .curve = "rsa"},
                    "P-256 or P-384");
    check_authority(
        f, (struct pki_wish){.name = "Bound", .ca = true, .constraints = "permitted;DNS:.example"},
        "'Bound' has name constraints");
    check_authority(f,
                    (struct pki_wish){.name = "Bound",
                                      .ca = true,
                                      .constraints = "critical,permitted;DNS:.example"},
                    "certificates");
}

static void test_crls(void **state)
{
    struct fixture *f = *state;
    struct x509_facts facts;
    int64_t now = (int64_t)time(NULL) * 1000, day = 86400000;

    f->settings.crl_count = 1;
    f->crls[0] = pki_write_crl(&f->folder, "ca.crl", &f->authority, NULL, 7);
    check_quiet(f);
    x509_read_facts(f->x509, &facts);
    assert_int_equal(facts.crls, 1);
    assert_in_range(facts.crl_issued_ms, now - 4 * day, now - 2 * day);
    assert_in_range(facts.crl_until_ms, now + 6 * day, now + 8 * day);

    pki_write_crl(&f->folder, "ca.crl", &f->authority, NULL, -2);
    check_warned(f, "every certificate of this CA is refused");
    f->settings.expired_crl_is_good = true;
    check_warned(f, "later revocations are not known");
    f->settings.client_ca = pki_write(&f->folder, "ca.pem", &f->authority, &f->other, NULL);
    pki_write_crl(&f->folder, "ca.crl", &f->authority, NULL, 7);
    check_warned(f, "no crl of 'Other'");
    f->settings.crl_count = 2;
    f->crls[1] = pki_write_crl(&f->folder, "other.crl", &f->other, NULL, 7);
    check_quiet(f);
}

static void test_references(void **state)
{
    struct fixture *f = *state;

    check_quiet(f);
    struct x509 *second = x509_ref(f->x509);
    x509_unref(second);
    assert_null(x509_ref(NULL));
    x509_unref(NULL);
}

static void test_names(void **state)
{
    struct names names = {0};
    char long_name[ENDPOINT_MAX + 2];

    assert_string_equal(names_first(&names), "");
    assert_false(names_have(&names, ""));
    assert_true(names_add(&names, bytes_of_text("lamp7")));
    assert_false(names_add(&names, bytes_of_text("lamp7"))); /* twice */
    assert_false(names_add(&names, bytes_of_text("")));
    assert_false(names_add(&names, bytes_of("lamp\0x", 6)));
    assert_false(names_add(&names, bytes_of_text("lamp\n7")));
    assert_false(names_add(&names, bytes_of_text("\xff\xfe")));
    memset(long_name, 'x', sizeof long_name);
    assert_false(names_add(&names, bytes_of(long_name, ENDPOINT_MAX + 1)));
    assert_true(names_add(&names, bytes_of(long_name, ENDPOINT_MAX)));
    long_name[ENDPOINT_MAX] = '\0';
    assert_true(names_have(&names, long_name));
    assert_true(names_have(&names, "lamp7"));
    assert_false(names_have(&names, "lamp"));
    assert_false(names_have(&names, "lamp77"));
    assert_string_equal(names_first(&names), "lamp7");
    for (int i = 0; i < 3; i++) {
        memset(long_name, 'a' + i, ENDPOINT_MAX);
        names_add(&names, bytes_of(long_name, ENDPOINT_MAX));
    }
    assert_int_equal(names.count, 4); /* no room for the last */
    assert_true(names.used <= NAMES_TEXT_MAX);
    for (int i = 0; i < NAMES_MAX; i++)
        names_add(&names, bytes_of("abcdefgh" + i, 1));
    assert_int_equal(names.count, NAMES_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_good_files),
        TEST(test_other_curve_and_forms),
        TEST(test_files_that_cannot_be_read),
        TEST(test_key_that_others_can_read),
        TEST(test_key_of_another),
        TEST(test_encrypted_key),
        TEST(test_chain_out_of_order),
        TEST(test_chain_that_does_not_verify),
        TEST(test_server_certificate_that_devices_would_refuse),
        TEST(test_keys_of_other_kinds),
        TEST(test_authorities_that_are_none),
        TEST(test_crls),
        TEST(test_references),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

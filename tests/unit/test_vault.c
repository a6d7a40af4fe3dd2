/* Master keys from files, sealing bound to its place, derived keys against other implementations.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/chain.h"
#include "usher/derive.h"
#include "usher/digest.h"
#include "usher/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static char path[64];

static void write_file(const char *text, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
    snprintf(path, sizeof path, "/tmp/usher-vault-%ld", (long)getpid());
    return 0;
}

static int teardown(void **state)
{
    unlink(path);
    return 0;
}

static struct vault *open_keys(const char *text)
{
    struct vault *vault = NULL;
    struct err err = {0};
    write_file(text, 0400);
    if (vault_open(path, &vault, &err) != ERR_OK)
        fail_msg("%s", err.text);
    return vault;
}

static void test_file_that_others_can_use_is_refused(void **state)
{
    static const mode_t modes[] = {0440, 0404, 0644, 0620, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct vault *vault = NULL;
        struct err err = {0};
        write_file(KEY_A "\n", modes[i]);
        assert_int_equal(vault_open(path, &vault, &err), ERR_DENIED);
        assert_null(vault);
        assert_non_null(strstr(err.text, "chmod 400"));
        assert_non_null(strstr(err.text, path));
    }
}

/* Whoever owns it could put a key there that he knows. Only root can make such a file. */
static void test_file_of_somebody_else_is_refused(void **state)
{
    struct vault *vault = NULL;
    struct err err = {0};
    if (geteuid() != 0)
        skip();
    write_file(KEY_A "\n", 0400);
    assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
    assert_int_equal(vault_open(path, &vault, &err), ERR_DENIED);
    assert_null(vault);
    assert_non_null(strstr(err.text, "belongs to user 12345"));
    assert_non_null(strstr(err.text, "chown 0"));
    assert_non_null(strstr(err.text, path));
}

static void test_bad_files_are_named_without_their_content(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "holds no key"},
        {"# nothing\n\n", "holds no key"},
        {KEY_A "0\n", "line 1"},
        {"# old\n" KEY_A "\n0011\n", "line 3"},
        {KEY_A "\n" KEY_A "\n", "line 2"},
        {"zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", "line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vault *vault = NULL;
        struct err err = {0};
        write_file(cases[i].text, 0600);
        assert_int_not_equal(vault_open(path, &vault, &err), ERR_OK);
        assert_non_null(strstr(err.text, cases[i].expected));
        assert_null(strstr(err.text, "112233"));
    }
    struct vault *vault = NULL;
    struct err err = {0};
    unlink(path);
    assert_int_equal(vault_open(path, &vault, &err), ERR_NOT_FOUND);
    assert_int_equal(vault_open("/tmp", &vault, &err), ERR_INVALID);
}

static const struct vault_place here = {.table = 1, .column = 2, .row = 77};

static void test_sealed_opens_only_in_its_place(void **state)
{
    struct vault *vault = open_keys("# a comment\r\n" KEY_A "\r\n");
    struct sealer *sealer = sealer_new(vault);
    uint8_t sealed[VAULT_SEALED_MAX], again[VAULT_SEALED_MAX], plain[VAULT_SEALED_MAX];
    size_t len = 0, again_len = 0, plain_len = 0;
    uint32_t id = 0;
    struct bytes secret = bytes_of_text("sixteen bytes ..");
    assert_true(sealer_seal(sealer, &here, secret, sealed, &len, &id));
    assert_int_equal(len, secret.len + VAULT_OVERHEAD);
    assert_int_equal(id, vault_current(vault));
    assert_int_not_equal(id, 0);
    assert_null(memmem(sealed, len, secret.data, secret.len));
    assert_true(sealer_seal(sealer, &here, secret, again, &again_len, &id));
    assert_memory_not_equal(sealed, again, len);

    struct bytes whole = bytes_of(sealed, len);
    assert_int_equal(sealer_open(sealer, &here, id, whole, plain, &plain_len), ERR_OK);
    assert_true(bytes_equal(bytes_of(plain, plain_len), secret));
    const struct vault_place elsewhere[] = {{2, 2, 77}, {1, 1, 77}, {1, 2, 78}};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sealer_open(sealer, &elsewhere[i], id, whole, plain, &plain_len),
                         ERR_INVALID);
    for (size_t i = 0; i < len; i++) {
        sealed[i] ^= 1;
        assert_int_equal(sealer_open(sealer, &here, id, whole, plain, &plain_len), ERR_INVALID);
        sealed[i] ^= 1;
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(sealer_open(sealer, &here, id, bytes_of(sealed, cut), plain, &plain_len),
                         ERR_INVALID);
    assert_int_equal(sealer_open(sealer, &here, id + 1, whole, plain, &plain_len), ERR_NOT_FOUND);
    assert_int_equal(sealer_open(sealer, &here, id, whole, plain, &plain_len), ERR_OK);
    sealer_free(sealer);
    vault_free(vault);
}

static void test_reload_takes_the_new_key_and_keeps_the_old(void **state)
{
    struct vault *vault = open_keys(KEY_A "\n");
    struct sealer *sealer = sealer_new(vault);
    uint8_t old[VAULT_SEALED_MAX], fresh[VAULT_SEALED_MAX], plain[VAULT_SEALED_MAX];
    size_t len = 0, plain_len = 0;
    uint32_t first = 0, second = 0;
    struct err err = {0};
    assert_true(sealer_seal(sealer, &here, bytes_of_text("x"), old, &len, &first));
    write_file("not a key\n", 0400);
    assert_int_equal(vault_reload(vault, &err), ERR_INVALID);
    assert_int_equal(vault_current(vault), first);
    write_file(KEY_B "\n" KEY_A "\n", 0400);
    assert_int_equal(vault_reload(vault, &err), ERR_OK);
    assert_true(sealer_seal(sealer, &here, bytes_of_text("x"), fresh, &len, &second));
    assert_int_not_equal(first, second);
    assert_true(vault_has(vault, first) && vault_has(vault, second) && vault_has(vault, 0));
    assert_int_equal(sealer_open(sealer, &here, first, bytes_of(old, len), plain, &plain_len),
                     ERR_OK);
    assert_int_equal(sealer_open(sealer, &here, second, bytes_of(fresh, len), plain, &plain_len),
                     ERR_OK);
    assert_int_equal(sealer_open(sealer, &here, second, bytes_of(old, len), plain, &plain_len),
                     ERR_INVALID);
    sealer_free(sealer);
    vault_free(vault);
}

static void test_without_a_vault_nothing_is_sealed(void **state)
{
    struct sealer *sealer = sealer_new(NULL);
    uint8_t out[64];
    size_t len = 0;
    uint32_t id = 9;
    assert_true(sealer_seal(sealer, &here, bytes_of_text("plain"), out, &len, &id));
    assert_int_equal(id, 0);
    assert_memory_equal(out, "plain", len);
    assert_int_equal(sealer_open(sealer, &here, 5, bytes_of(out, len), out, &len), ERR_NOT_FOUND);
    assert_int_equal(vault_current(NULL), 0);
    sealer_free(sealer);
}

static void test_default_is_the_systemd_credential(void **state)
{
    char found[128], folder[] = "/tmp/usher-vault-XXXXXX", file[64];
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_false(vault_default_path(found, sizeof found));
    assert_non_null(mkdtemp(folder));
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_false(vault_default_path(found, sizeof found));
    snprintf(file, sizeof file, "%s/usher-master-key", folder);
    fclose(fopen(file, "w"));
    assert_true(vault_default_path(found, sizeof found));
    assert_string_equal(found, file);
    assert_false(vault_default_path(found, 8));
    unlink(file);
    rmdir(folder);
}

/* ---- digests and derived keys ---- */

static void assert_hex(struct bytes data, const char *expected)
{
    char text[BYTES_HEX_SIZE(SECRET_MAX)];
    bytes_to_hex(data, text);
    assert_string_equal(text, expected);
}

/* FIPS 180-4's own example. */
static void test_digest(void **state)
{
    struct digest digest;
    uint8_t hash[DIGEST_SIZE];
    digest_begin(&digest);
    digest_add(&digest, "a", 1);
    digest_add(&digest, NULL, 0);
    digest_add(&digest, "bc", 2);
    digest_end(&digest, hash);
    assert_hex(bytes_of(hash, sizeof hash),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* Expected value: Python's hashlib over the bytes that chain.h describes. */
static void test_chain(void **state)
{
    uint8_t hash[DIGEST_SIZE] = {0}, other[DIGEST_SIZE];
    const struct chain_record first = {1,      1795425490042,     "uid:0",  "jig 3",
                                       "unix", "device.enrolled", "lamp-1", "class lamp"};
    chain_next(hash, &first);
    assert_hex(bytes_of(hash, sizeof hash),
               "48f2d6ac6697d48479495e683559400ffcaada0f78516bf0500eeeb6a48c1a68");
    /* Where one text ends and the next begins matters too. */
    const struct chain_record shifted = {1,      1795425490042,     "uid:0j", "ig 3",
                                         "unix", "device.enrolled", "lamp-1", "class lamp"};
    memset(other, 0, sizeof other);
    chain_next(other, &shifted);
    assert_memory_not_equal(hash, other, sizeof hash);
}

static void derived(enum derive_scheme scheme, struct bytes group, const char *label, size_t len,
                    const char *name, struct secret *out)
{
    struct derive derive;
    struct err err = {0};
    if (derive_begin(&derive, scheme, group, label, len, &err) != ERR_OK)
        fail_msg("%s", err.text);
    derive_key(&derive, bytes_of_text(name), out);
    derive_clear(&derive);
}

/* Expected values: Python's hmac and hashlib, RFC 5869 written out with them. */
static void test_hkdf(void **state)
{
    uint8_t group[32], block[64];
    struct secret key;
    for (size_t i = 0; i < sizeof group; i++)
        group[i] = (uint8_t)i;
    memset(block, 0xaa, sizeof block);
    derived(DERIVE_HKDF, bytes_of(group, 32), DERIVE_DEFAULT_LABEL, 16, "urn:dev:os:0042-lamp7",
            &key);
    assert_hex(secret_bytes(&key), "c948019cbca775adca152ade78abe7ed");
    derived(DERIVE_HKDF, bytes_of(group, 32), DERIVE_DEFAULT_LABEL, 64, "", &key);
    assert_hex(
        secret_bytes(&key),
        "3b566b7e3e6faf7a66cc32cc3951a2061bb0371ef74dc5488f3503ef507d14dacd44b9898d4907e5015b"
        "1010e2b2142cf14c50636277c1807871f569dfffc8b4");
    derived(DERIVE_HKDF, bytes_of(block, 64), "L", 33, "x", &key);
    assert_hex(secret_bytes(&key),
               "09380b006e654feaa03628ee0c0f71f363f263ac35e37e1ad565a2fc4580a555b4");
}

/* The group key, registration id and device key that Microsoft's documentation prints. */
static void test_hmac_as_azure_documents_it(void **state)
{
    static const char group_text[] = "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/"
                                     "lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==";
    uint8_t group[64];
    size_t len = 0;
    char text[BYTES_BASE64_SIZE(DIGEST_SIZE)];
    struct secret key;
    assert_true(bytes_from_base64(group_text, strlen(group_text), group, sizeof group, &len));
    derived(DERIVE_HMAC, bytes_of(group, len), "", 16, "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
            &key);
    bytes_to_base64(secret_bytes(&key), false, text);
    assert_string_equal(text, "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=");
}

static void test_derive_refuses(void **state)
{
    struct derive derive;
    struct err err;
    uint8_t group[80] = {0};
    char label[DERIVE_LABEL_MAX + 2];
    memset(label, 'x', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    assert_int_equal(derive_begin(&derive, DERIVE_HKDF, bytes_of(group, 15), "", 16, &err),
                     ERR_RANGE);
    assert_int_equal(derive_begin(&derive, DERIVE_HMAC, bytes_of(group, 65), "", 16, &err),
                     ERR_RANGE);
    assert_int_equal(derive_begin(&derive, DERIVE_HKDF, bytes_of(group, 16), "", 15, &err),
                     ERR_RANGE);
    assert_int_equal(derive_begin(&derive, DERIVE_HKDF, bytes_of(group, 16), "", 65, &err),
                     ERR_RANGE);
    assert_int_equal(derive_begin(&derive, DERIVE_HKDF, bytes_of(group, 16), label, 16, &err),
                     ERR_INVALID);
    enum derive_scheme scheme;
    assert_true(derive_scheme_from_name("hmac-sha256", &scheme) && scheme == DERIVE_HMAC);
    assert_true(derive_scheme_from_name("hkdf-sha256", &scheme) && scheme == DERIVE_HKDF);
    assert_false(derive_scheme_from_name("md5", &scheme));
    assert_string_equal(derive_scheme_name(DERIVE_HKDF), "hkdf-sha256");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_of_somebody_else_is_refused),
        cmocka_unit_test(test_file_that_others_can_use_is_refused),
        cmocka_unit_test(test_bad_files_are_named_without_their_content),
        cmocka_unit_test(test_sealed_opens_only_in_its_place),
        cmocka_unit_test(test_reload_takes_the_new_key_and_keeps_the_old),
        cmocka_unit_test(test_without_a_vault_nothing_is_sealed),
        cmocka_unit_test(test_default_is_the_systemd_credential),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_hkdf),
        cmocka_unit_test(test_hmac_as_azure_documents_it),
        cmocka_unit_test(test_derive_refuses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates while the N-th allocation fails, for every N: files are loaded whole or not at all;
 * a handshake comes to nothing, and the next device gets in. */
#include "endpoint_world.h"
#include "known_overread.h"
#include "pki.h"
#include "usher/x509.h"

#include <mbedtls/platform.h>
#include <time.h>

enum { ALLOCATIONS_LEAST = 40, ALLOCATIONS_MOST = 20000 };

static size_t allocations, fail_at; /* fail_at 0 = never */
static bool watching;               /* only what the server does */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __real_endpoint_receive(struct endpoint *endpoint, const struct net_path *path,
                             struct bytes datagram, uint64_t now);
void __wrap_endpoint_receive(struct endpoint *endpoint, const struct net_path *path,
                             struct bytes datagram, uint64_t now);

static bool fails(void)
{
    return watching && fail_at != 0 && ++allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void __wrap_endpoint_receive(struct endpoint *endpoint, const struct net_path *path,
                             struct bytes datagram, uint64_t now)
{
    watching = true;
    __real_endpoint_receive(endpoint, path, datagram, now);
    watching = false;
}

struct fixture {
    struct pki_folder folder;
    struct pki root, server, lamp, foreign;
    struct x509_settings settings;
    const char *crls[1];
    struct device_files files, foreign_files;
};

static void no_warning(void *context, const char *text)
{
    (void)context, (void)text;
}

static enum err_code load(const struct fixture *f, struct x509 **out)
{
    struct err err = {0};
    enum err_code code =
        x509_load(&f->settings, (int64_t)time(NULL) * 1000, no_warning, NULL, out, &err);

    assert_int_equal(code, err.code);
    return code;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct pki_wish root = {.name = "Root", .ca = true}, server = {.name = "bs.city.example"},
                          lamp = {.name = "lamp7", .alternatives = "URI:urn:lamp7"};

    assert_non_null(f);
    pki_folder_make(&f->folder);
    f->root = pki_make(&root, NULL);
    f->server = pki_make(&server, &f->root);
    f->lamp = pki_make(&lamp, &f->root);
    f->foreign = pki_make(&lamp, NULL);
    f->crls[0] = pki_write_crl(&f->folder, "root.crl", &f->root, NULL, 7);
    f->settings = (struct x509_settings){
        .certificate = pki_write(&f->folder, "server.pem", &f->server, &f->root, NULL),
        .key = pki_write_key(&f->folder, "server.key", &f->server, 0600),
        .client_ca = pki_write(&f->folder, "ca.pem", &f->root, NULL),
        .crls = f->crls,
        .crl_count = 1,
        .names = X509_ALL,
    };
    f->files = (struct device_files){
        .chain = pki_write(&f->folder, "lamp.pem", &f->lamp, &f->root, NULL),
        .key = pki_write_key(&f->folder, "lamp.key", &f->lamp, 0600),
        .ca = f->settings.client_ca,
    };
    f->foreign_files = (struct device_files){
        .chain = pki_write(&f->folder, "foreign.pem", &f->foreign, NULL),
        .key = pki_write_key(&f->folder, "foreign.key", &f->foreign, 0600),
        .ca = f->settings.client_ca,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pki_clear(&f->root);
    pki_clear(&f->server);
    pki_clear(&f->lamp);
    pki_clear(&f->foreign);
    pki_folder_remove(&f->folder);
    free(f);
    return 0;
}

static void test_loading(void **state)
{
    size_t number = 1;

    for (; number < ALLOCATIONS_MOST; number++) {
        struct x509 *x509 = NULL;
        allocations = 0;
        fail_at = number;
        watching = true;
        enum err_code code = load(*state, &x509);
        watching = false;
        assert_true((code == ERR_OK) == (x509 != NULL));
        x509_unref(x509);
        if (allocations < number)
            break;
    }
    assert_in_range(number, ALLOCATIONS_LEAST, ALLOCATIONS_MOST - 1);
    fail_at = 0;
}

static void join(struct world *world, unsigned index)
{
    static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0};

    device_start(world, index, "", "", suites, 1000); /* its files count */
    world_run(world, 500);
}

/* True when there was an N-th allocation. Nobody gets in who would not otherwise. */
static bool survive(const struct fixture *f, struct x509 *x509, bool foreign, size_t number)
{
    static const struct endpoint_listener listener = {
        .x509 = true, .handshake_min_ms = 1000, .handshake_max_ms = 60000, .ack_timeout_ms = 2000};
    struct endpoint_config config = world_config(&listener);
    struct world *world;

    config.x509 = x509;
    world = world_new(&config);
#if defined(MBEDTLS_PLATFORM_MEMORY)
    /* Past the endpoint's pool, which would have a block from before (each may free the other's).
     */
    mbedtls_platform_set_calloc_free(calloc, free);
#endif
    world->files = foreign ? &f->foreign_files : &f->files;
    allocations = 0;
    fail_at = number;
    join(world, 0);
    assert_false(foreign && world->devices[0].open);
    fail_at = 0;
    world->files = &f->files;
    join(world, 1);
    assert_true(world->devices[1].open);
    assert_string_equal(names_first(world->info.names), "lamp7");
    device_forget(&world->devices[0]);
    world_run(world, 600000); /* what hangs runs into its timeout */
    assert_int_equal(counters_of(world).half_open, 0);
    world_free(world);
    return allocations >= number;
}

static void check_handshakes(const struct fixture *f, bool foreign)
{
    struct x509 *x509 = NULL;
    size_t number = 1;

    assert_int_equal(load(f, &x509), ERR_OK);
    while (number < ALLOCATIONS_MOST && survive(f, x509, foreign, number))
        number++;
    assert_in_range(number, ALLOCATIONS_LEAST, ALLOCATIONS_MOST - 1);
    x509_unref(x509);
}

static void test_handshake(void **state)
{
    check_handshakes(*state, false);
}

static void test_handshake_of_a_stranger(void **state)
{
    check_handshakes(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_loading, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handshake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handshake_of_a_stranger, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

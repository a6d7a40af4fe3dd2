/* Whose files are relied on. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { US = 990, SOMEBODY = 1000 };

static void root_and_we_are_trusted(void **state)
{
    assert_true(owner_is_trusted(US, US));
    assert_true(owner_is_trusted(0, US));
    assert_true(owner_is_trusted(0, 0));
    assert_false(owner_is_trusted(SOMEBODY, US));
    assert_false(
        owner_is_trusted(SOMEBODY, 0)); /* what root relies on is not for others to change */
}

static void refusal_names_file_and_remedy(void **state)
{
    struct err err = {0};
    struct stat status = {.st_uid = geteuid()};
    assert_int_equal(owner_check("master key", "/a/b", &status, &err), ERR_OK);
    status.st_uid = geteuid() + 1;
    assert_int_equal(owner_check("master key", "/a/b", &status, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "master key '/a/b' belongs to user "));
    assert_non_null(strstr(err.text, "chown "));
}

static void secrets_are_for_their_owner_alone(void **state)
{
    struct err err = {0};
    struct stat status = {.st_uid = geteuid(), .st_mode = S_IFREG | 0600};
    assert_int_equal(owner_check_secret("x509: key", "/a/b", &status, &err), ERR_OK);
    status.st_mode = S_IFREG | 0640;
    assert_int_equal(owner_check_secret("x509: key", "/a/b", &status, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "x509: key '/a/b' may be used by others"));
    assert_non_null(strstr(err.text, "mode 640"));
    assert_non_null(strstr(err.text, "chmod 400 '/a/b'"));
    status.st_mode = S_IFREG | 0604;
    assert_int_equal(owner_check_secret("x509: key", "/a/b", &status, &err), ERR_DENIED);
    status.st_mode = S_IFIFO | 0600;
    assert_int_equal(owner_check_secret("x509: key", "/a/b", &status, &err), ERR_INVALID);
    status = (struct stat){.st_uid = geteuid() + 1, .st_mode = S_IFREG | 0600};
    assert_int_equal(owner_check_secret("x509: key", "/a/b", &status, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "belongs to user"));
}

/* A pipe that nobody writes to would keep whoever opens it for ever. */
static void only_regular_files_are_opened(void **state)
{
    char folder[] = "/tmp/usher-owner-XXXXXX", path[64];
    struct err err = {0};
    struct stat status;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    assert_null(owner_open("http.tokens", path, &status, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(owner_open("http.tokens", path, &status, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "is not a file"));
    assert_int_equal(unlink(path), 0);
    assert_null(owner_open("http.tokens", folder, &status, &err));
    assert_int_equal(err.code, ERR_INVALID);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("text", file);
    fclose(file);
    file = owner_open("http.tokens", path, &status, &err);
    assert_non_null(file);
    assert_int_equal(status.st_size, 4);
    assert_int_equal(getc(file), 't');
    fclose(file);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_and_we_are_trusted),
        cmocka_unit_test(refusal_names_file_and_remedy),
        cmocka_unit_test(secrets_are_for_their_owner_alone),
        cmocka_unit_test(only_regular_files_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

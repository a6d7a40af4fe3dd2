/* Names of states and causes; advice for each. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void states_have_names(void **state)
{
    for (int i = 0; i < STATE_COUNT; i++) {
        enum device_state back = STATE_COUNT;
        assert_true(device_state_from_name(device_state_name((enum device_state)i), &back));
        assert_int_equal(i, back);
    }
    enum device_state untouched = STATE_HELD;
    assert_false(device_state_from_name("Bootstrapped", &untouched));
    assert_int_equal(STATE_HELD, untouched);
    assert_string_equal("bootstrapped", device_state_name(STATE_BOOTSTRAPPED));
    assert_string_equal("unknown", device_state_name(STATE_COUNT));
}

/* Both are stored by number: these must never move. */
static void numbers_stay(void **state)
{
    assert_int_equal(4, STATE_BOOTSTRAPPED);
    assert_int_equal(8, STATE_BLOCKED);
    assert_int_equal(1, CAUSE_ENDPOINT_MISMATCH);
    assert_int_equal(18, CAUSE_REMOVED);
    assert_int_equal(40, CAUSE_UNKNOWN_IDENTITY);
    assert_int_equal(47, CAUSE_LIMIT);
}

static bool is_cause(int number)
{
    return number <= CAUSE_REMOVED || (number >= CAUSE_UNKNOWN_IDENTITY && number < CAUSE_LAST);
}

static void causes_have_names_and_advice(void **state)
{
    for (int i = 0; i < CAUSE_LAST; i++) {
        enum cause back = CAUSE_LAST;
        const char *name = cause_name((enum cause)i);
        const char *advice = cause_advice((enum cause)i);
        assert_true(strlen(advice) > 10);
        assert_int_equal('.', advice[strlen(advice) - 1]);
        assert_int_equal(is_cause(i), cause_from_name(name, &back));
        assert_int_equal(is_cause(i) ? i : CAUSE_LAST, back);
    }
    enum cause untouched = CAUSE_RESET;
    assert_false(cause_from_name("unknown", &untouched));
    assert_int_equal(CAUSE_RESET, untouched);
    assert_string_equal("none", cause_name(CAUSE_NONE));
    assert_string_equal("endpoint-mismatch", cause_name(CAUSE_ENDPOINT_MISMATCH));
    assert_string_equal("unknown", cause_name((enum cause)25));
    assert_string_equal("unknown", cause_name((enum cause)999));
}

static void copies_what_is_used(void **state)
{
    struct outcome from = {.cause = CAUSE_TIMEOUT,
                           .detail = "why",
                           .warning_count = 2,
                           .step_count = 3,
                           .warnings = {"one", "two", "stale"}};
    struct outcome to;
    (void)state;
    for (unsigned i = 0; i < OUTCOME_STEPS_MAX; i++)
        from.steps[i].duration_ms = i + 1;
    memset(&to, 0x5a, sizeof to);
    outcome_copy(&to, &from);
    assert_int_equal(CAUSE_TIMEOUT, to.cause);
    assert_string_equal("why", to.detail);
    assert_int_equal(2, to.warning_count);
    assert_string_equal("two", to.warnings[1]);
    assert_int_equal(3, to.step_count);
    assert_int_equal(3, to.steps[2].duration_ms);
    assert_int_equal(0x5a5a5a5a, to.steps[3].duration_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(numbers_stay),
        cmocka_unit_test(causes_have_names_and_advice),
        cmocka_unit_test(copies_what_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

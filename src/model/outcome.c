/* Names of states and causes, and advice for people. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/outcome.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const char *const state_names[] = {
    [STATE_NEW] = "new",
    [STATE_SEEN] = "seen",
    [STATE_WRITING] = "writing",
    [STATE_VERIFYING] = "verifying",
    [STATE_BOOTSTRAPPED] = "bootstrapped",
    [STATE_UNCONFIRMED] = "unconfirmed",
    [STATE_FAILED] = "failed",
    [STATE_HELD] = "held",
    [STATE_BLOCKED] = "blocked",
};
static_assert(sizeof state_names / sizeof state_names[0] == STATE_COUNT, "every state is named");

/* Numbers between the two groups of causes stay empty. */
static const struct {
    const char *name;
    const char *advice;
} causes[] = {
    [CAUSE_NONE] = {"none", "Nothing went wrong."},
    [CAUSE_ENDPOINT_MISMATCH] = {"endpoint-mismatch",
                                 "The device asked in the name of an endpoint that its credential "
                                 "is not enrolled for; correct its endpoint name or enrol it."},
    [CAUSE_NO_PROFILE] = {"no-profile",
                          "No profile fits the class of this device; give it a class or add a "
                          "profile that matches."},
    [CAUSE_WRITE_REJECTED] = {"write-rejected",
                              "The device refused a value; see which write in its history and "
                              "adapt the profile, or mark that write as optional."},
    [CAUSE_FINISH_REJECTED] = {"finish-rejected",
                               "The device found what it was given inconsistent or incomplete; "
                               "compare the plan with what this model needs."},
    [CAUSE_TIMEOUT] = {"timeout",
                       "The device stopped answering; check its coverage and power and let it try "
                       "again."},
    [CAUSE_DTLS_ALERT] = {"dtls-alert",
                          "The device broke off the secure session with an alert; the detail names "
                          "it."},
    [CAUSE_STORE_UNAVAILABLE] = {"store-unavailable",
                                 "The database did not answer; bring it back, the device will try "
                                 "again."},
    [CAUSE_HANDOFF_FAILED] = {"handoff-failed",
                              "The LwM2M server could not be told about this device; check the "
                              "hand-off address and the log."},
    [CAUSE_SUPERSEDED] = {"superseded",
                          "The device started a newer bootstrap, which took the place of this "
                          "one; look at the newer one."},
    [CAUSE_RESET] = {"reset",
                     "The device rejected a message with a reset, as after a restart; let it try "
                     "again."},
    [CAUSE_DEADLINE] = {"deadline",
                        "The bootstrap took longer than allowed; raise the deadline of the class "
                        "if its network is slow."},
    [CAUSE_BAD_REQUEST] = {"bad-request",
                           "The Bootstrap-Request was malformed; the detail says where."},
    [CAUSE_UNSUPPORTED_FORMAT] = {"unsupported-format",
                                  "Device and server share no content format; set the format in "
                                  "the profile's client section."},
    [CAUSE_PLAN_FAILED] = {"plan-failed",
                           "The profile cannot be applied to this device; run 'usher plan' for it "
                           "to see why."},
    [CAUSE_NOT_ALLOWED] = {"not-allowed",
                           "The profile does not allow this device another bootstrap; accept it "
                           "or change 'rebootstrap'."},
    [CAUSE_SHUTDOWN] = {"shutdown",
                        "The server was stopped in mid-session; the device will try again."},
    [CAUSE_CLOSED] = {"closed",
                      "The device closed the session before the bootstrap was finished; let it try "
                      "again."},
    [CAUSE_REMOVED] = {"removed", "An operator removed or blocked the device in mid-session."},
    [CAUSE_UNKNOWN_IDENTITY] = {"unknown-identity",
                                "Nobody is enrolled under this identity; enrol the device, or "
                                "ignore it when it is not yours."},
    [CAUSE_BAD_KEY] = {"bad-key",
                       "The identity is enrolled but the key is another; enrol the device again "
                       "with the key it holds."},
    [CAUSE_BLOCKED] = {"blocked", "The device is blocked; unblock it if it may come in."},
    [CAUSE_BAD_CERTIFICATE] = {"bad-certificate",
                               "The device's certificate is not signed by an accepted authority, "
                               "has expired or was revoked."},
    [CAUSE_HANDSHAKE_TIMEOUT] = {"handshake-timeout",
                                 "The device did not complete the handshake in time; check its "
                                 "coverage, or raise the handshake timeout for slow networks."},
    [CAUSE_HANDSHAKE_FAILED] = {"handshake-failed",
                                "The handshake was broken off; the detail says at which point."},
    [CAUSE_NO_CIPHERSUITE] = {"no-ciphersuite",
                              "Device and server share no cipher suite; enable one of the device's "
                              "on the listener."},
    [CAUSE_HELD] = {"held",
                    "The device has proved its name and nobody has enrolled it: let it in with "
                    "'usher accept NAME --class CLASS', or ignore it when it is not yours."},
    [CAUSE_LIMIT] = {"limit", "A limit of the server was reached; raise it or see who uses it up."},
};
static_assert(sizeof causes / sizeof causes[0] == CAUSE_LAST, "every cause is named");

const char *device_state_name(enum device_state state)
{
    return (unsigned)state < STATE_COUNT ? state_names[state] : "unknown";
}

bool device_state_from_name(const char *name, enum device_state *out)
{
    for (int i = 0; i < STATE_COUNT; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *out = (enum device_state)i;
            return true;
        }
    }
    return false;
}

void outcome_copy(struct outcome *to, const struct outcome *from)
{
    memcpy(to, from, offsetof(struct outcome, warnings));
    memcpy(to->warnings, from->warnings, from->warning_count * sizeof from->warnings[0]);
    to->warning_count = from->warning_count;
    to->step_count = from->step_count;
    memcpy(to->steps, from->steps, from->step_count * sizeof from->steps[0]);
}

static bool is_cause(enum cause cause)
{
    return (unsigned)cause < CAUSE_LAST && causes[cause].name != NULL;
}

const char *cause_name(enum cause cause)
{
    return is_cause(cause) ? causes[cause].name : "unknown";
}

bool cause_from_name(const char *name, enum cause *out)
{
    for (int i = 0; i < CAUSE_LAST; i++) {
        if (is_cause((enum cause)i) && strcmp(name, causes[i].name) == 0) {
            *out = (enum cause)i;
            return true;
        }
    }
    return false;
}

const char *cause_advice(enum cause cause)
{
    return is_cause(cause) ? causes[cause].advice
                           : "This cause is not known to this version; update usher.";
}

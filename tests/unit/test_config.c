/* SPDX-License-Identifier: Apache-2.0 */
/* usher.yaml: every key, every refusal with its place, defaults, and what a reload may change. */
#include "usher/config.h"

#include "findings_util.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
    struct findings findings;
    struct config *config;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    findings_init(&fixture->findings);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    config_free(fixture->config);
    findings_clear(&fixture->findings);
    free(fixture);
    return 0;
}

static struct config *load(struct fixture *fixture, const char *name, const char *text)
{
    config_free(fixture->config);
    findings_clear(&fixture->findings);
    findings_init(&fixture->findings);
    fixture->config = config_load_text(name, bytes_of_text(text), &fixture->findings);
    return fixture->config;
}

static const struct config *accepted(struct fixture *fixture, const char *text)
{
    struct config *config = load(fixture, "t.yaml", text);
    if (config == NULL)
        fail_msg("refused: %s", findings_text(&fixture->findings));
    return config;
}

/* `expected`: all findings, each "line:column: error: text\n". */
static void refuse(struct fixture *fixture, const char *text, const char *expected)
{
    assert_null(load(fixture, "t.yaml", text));
    char plain[8192] = "";
    char *all = strdup(findings_text(&fixture->findings));
    size_t len = 0;
    for (char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_int_equal(strncmp(line, "t.yaml:", 7), 0);
        len += (size_t)snprintf(plain + len, sizeof plain - len, "%s\n", line + 7);
    }
    free(all);
    assert_string_equal(plain, expected);
}

static void assert_address(const struct sockaddr_storage *address, int family, const char *ip,
                           uint16_t port)
{
    assert_int_equal(address->ss_family, family);
    char text[INET6_ADDRSTRLEN];
    if (family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(family, &in->sin_addr, text, sizeof text);
        assert_int_equal(ntohs(in->sin_port), port);
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        inet_ntop(family, &in6->sin6_addr, text, sizeof text);
        assert_int_equal(ntohs(in6->sin6_port), port);
    }
    assert_string_equal(text, ip);
}

static void test_defaults(void **state)
{
    struct fixture *fixture = *state;
    const struct config *config = load(fixture, "/etc/usher/usher.yaml", "{}");
    assert_non_null(config);
    assert_string_equal(findings_text(&fixture->findings), "");
    assert_in_range(config->workers, 1, CONFIG_WORKERS_MAX);
    assert_int_equal(config->listener_count, 1);
    const struct config_listener *listener = &config->listeners[0];
    assert_string_equal(listener->text, "0.0.0.0:5684");
    assert_address(&listener->address, AF_INET, "0.0.0.0", 5684);
    assert_int_equal(listener->address_len, sizeof(struct sockaddr_in));
    assert_true(listener->gcm && listener->cbc);
    assert_int_equal(listener->handshake_min_ms, 1000);
    assert_int_equal(listener->handshake_max_ms, 60000);
    assert_int_equal(listener->ack_timeout_ms, 2000);
    assert_int_equal(config->profile_count, 1);
    assert_string_equal(config->profiles[0], "/etc/usher/profiles");
    assert_string_equal(config->store_backend, "sqlite");
    assert_string_equal(config->store_path, "/var/lib/usher/usher.db");
    assert_int_equal(config->history_days, 90);
    assert_int_equal(config->retire_seconds, 86400);
    assert_int_equal(config->half_open_max, 4096);
    assert_int_equal(config->sessions_max, 50000);
    assert_string_equal(config->http_socket, "/run/usher/usher.sock");
    assert_null(config->http_text);
    assert_int_equal(config->http_address_len, 0);
    assert_int_equal(config->http_host_count, 0);
    assert_null(config->http_certificate);
    assert_null(config->http_tokens);
    assert_int_equal(config->http_rate, 1000);
    assert_false(config->http_insecure);
    assert_int_equal(config->log_level, LOG_INFO);
    assert_false(config->log_text);
    assert_string_equal(config->file, "/etc/usher/usher.yaml");
}

static void test_every_key(void **state)
{
    struct fixture *fixture = *state;
    const struct config *config =
        accepted(fixture, "workers: 3\n"
                          "listeners:\n"
                          "  - address: 192.0.2.7:5684\n"
                          "    ciphers: [gcm, ccm8]\n"
                          "    handshake-timeout: {min: 9s, max: 90s}\n"
                          "    ack-timeout: 15s\n"
                          "  - address: \"[2001:db8::1]:5685\"\n"
                          "    ciphers: [ccm8]\n"
                          "    handshake-timeout: {max: 2min}\n"
                          "  - \"[::]:0\"\n"
                          "  - \"[::]:0\"\n"
                          "profiles: [a, /b, c/d.yaml]\n"
                          "limits: {half-open: 100, sessions: 200,\n"
                          "         handshakes-per-source: 0,\n"
                          "         failures-per-source: 7,\n"
                          "         exempt: [10.0.0.0/8, \"2001:db8::/32\"]}\n"
                          "store:\n"
                          "  backend: sqlite\n"
                          "  path: data/u.db\n"
                          "  history: forever\n"
                          "  retire: 2h\n"
                          "http:\n"
                          "  socket: run/u.sock\n"
                          "  address: \"[::1]:8080\"\n"
                          "  hosts: [usher.city.example, b]\n"
                          "log: {level: debug, format: text}\n");
    assert_string_equal(findings_text(&fixture->findings), "");
    assert_int_equal(config->workers, 3);
    assert_int_equal(config->listener_count, 4);
    assert_true(config->listeners[0].gcm);
    assert_false(config->listeners[0].cbc);
    assert_int_equal(config->listeners[0].handshake_min_ms, 9000);
    assert_int_equal(config->listeners[0].handshake_max_ms, 90000);
    assert_int_equal(config->listeners[0].ack_timeout_ms, 15000);
    assert_address(&config->listeners[0].address, AF_INET, "192.0.2.7", 5684);
    assert_address(&config->listeners[1].address, AF_INET6, "2001:db8::1", 5685);
    assert_int_equal(config->listeners[1].address_len, sizeof(struct sockaddr_in6));
    assert_false(config->listeners[1].gcm || config->listeners[1].cbc);
    assert_int_equal(config->listeners[1].handshake_min_ms, 1000);
    assert_int_equal(config->listeners[1].handshake_max_ms, 120000);
    assert_address(&config->listeners[3].address, AF_INET6, "::", 0);
    assert_string_equal(config->listeners[3].text, "[::]:0");
    assert_true(config->listeners[3].cbc);
    assert_non_null(config->listeners[1].node);
    assert_int_equal(config->listeners[1].node->line, 7);
    assert_int_equal(config->profile_count, 3);
    assert_string_equal(config->profiles[0], "a");
    assert_string_equal(config->profiles[1], "/b");
    assert_string_equal(config->profiles[2], "c/d.yaml");
    assert_int_equal(config->half_open_max, 100);
    assert_int_equal(config->sessions_max, 200);
    assert_int_equal(config->handshakes_per_source, 0);
    assert_int_equal(config->failures_per_source, 7);
    assert_int_equal(config->exempt_count, 2);
    assert_int_equal(config->exempt[0].bits, 8);
    assert_int_equal(config->exempt[1].network.family, 6);
    assert_string_equal(config->store_path, "data/u.db");
    assert_int_equal(config->history_days, 0);
    assert_int_equal(config->retire_seconds, 7200);
    assert_string_equal(config->http_socket, "run/u.sock");
    assert_string_equal(config->http_text, "[::1]:8080");
    assert_address(&config->http_address, AF_INET6, "::1", 8080);
    assert_int_equal(config->http_host_count, 2);
    assert_string_equal(config->http_hosts[1], "b");
    assert_int_equal(config->log_level, LOG_DEBUG);
    assert_true(config->log_text);
}

static void test_certificates(void **state)
{
    struct fixture *fixture = *state;
    const struct config *config =
        accepted(fixture, "listeners:\n"
                          "  - {address: \"0.0.0.0:1\", security: [psk, x509]}\n"
                          "  - {address: \"0.0.0.0:2\", security: x509, unknown: hold}\n"
                          "  - {address: \"0.0.0.0:3\", security: psk, unknown: silent}\n"
                          "  - \"0.0.0.0:4\"\n"
                          "x509: {certificate: s.pem, key: /k/s.key, client-ca: ca.pem}\n");
    assert_string_equal(findings_text(&fixture->findings), "");
    static const bool psk[] = {true, false, true, true}, x509[] = {true, true, false, false};
    static const uint32_t unknown[] = {0, 2, 1, 0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(config->listeners[i].unknown, unknown[i]);
        assert_int_equal(config->listeners[i].psk, psk[i]);
        assert_int_equal(config->listeners[i].x509, x509[i]);
    }
    assert_string_equal(config->x509.certificate, "s.pem");
    assert_string_equal(config->x509.key, "/k/s.key");
    assert_string_equal(config->x509.client_ca, "ca.pem");
    assert_int_equal(config->x509.crl_count, 0);
    assert_false(config->x509.expired_crl_is_good);
    assert_int_equal(config->x509.names, CONFIG_NAME_CN | CONFIG_NAME_URI | CONFIG_NAME_DNS);
    config = accepted(fixture, "listeners: [{address: \"0.0.0.0:1\", security: x509}]\n"
                               "x509: {certificate: s, key: k, client-ca: c, crl: [a, b], "
                               "crl-expired: warn, names: [dns, cn]}\n");
    assert_int_equal(config->x509.crl_count, 2);
    assert_string_equal(config->x509.crls[1], "b");
    assert_true(config->x509.expired_crl_is_good);
    assert_int_equal(config->x509.names, CONFIG_NAME_CN | CONFIG_NAME_DNS);
    config = accepted(fixture, "x509: {certificate: s, key: k, client-ca: c, crl: a}\n");
    assert_int_equal(config->x509.crl_count, 1);
    assert_string_equal(findings_text(&fixture->findings),
                        "t.yaml:1:7: warning: no listener takes certificates: say 'security: "
                        "[psk, x509]' at one\n");
}

static void test_paths_follow_the_file(void **state)
{
    struct fixture *fixture = *state;
    const struct config *config =
        load(fixture, "site/etc/usher.yaml",
             "profiles: [p, /q]\nstore: {path: u.db}\nhttp: {socket: u.sock}\n");
    assert_non_null(config);
    assert_string_equal(config->profiles[0], "site/etc/p");
    assert_string_equal(config->profiles[1], "/q");
    assert_string_equal(config->store_path, "site/etc/u.db");
    assert_string_equal(config->http_socket, "site/etc/u.sock");
}

static void test_unknown_keys(void **state)
{
    struct fixture *fixture = *state;
    refuse(fixture, "worker: 2\n", "1:1: error: unknown key 'worker'; did you mean 'workers'?\n");
    refuse(fixture, "stor: {}\n", "1:1: error: unknown key 'stor'; did you mean 'store'?\n");
    refuse(fixture, "log: {levle: info}\n",
           "1:7: error: unknown key 'levle'; did you mean 'level'?\n");
    refuse(fixture, "listeners: [{address: \"0.0.0.0:1\", cipher: [ccm8]}]\n",
           "1:36: error: unknown key 'cipher'; did you mean 'ciphers'?\n");
    refuse(fixture, "listeners: [{address: \"0.0.0.0:1\", handshake-timeout: {mim: 9s}}]\n",
           "1:56: error: unknown key 'mim'; did you mean 'min'?\n");
    /* Keys of one section are not known in another. */
    refuse(fixture, "http: {level: info}\n",
           "1:8: error: unknown key 'level'; known here: socket, address, hosts, "
           "certificate, key, tokens, rate, insecure\n");
    refuse(fixture, "level: info\n",
           "1:1: error: unknown key 'level'; known here: workers, listeners, profiles, limits, "
           "store, x509, http, log\n");
}

static void test_every_error_is_named(void **state)
{
    struct fixture *fixture = *state;
    refuse(fixture, "workers: many\nlog: {level: loud}\nstore: {history: 90}\n",
           "1:10: error: expected a whole number from 1 to 64, found 'many'\n"
           "2:14: error: expected one of debug, info, warning, error, found 'loud'\n"
           "3:18: error: expected a number with a unit, such as 250ms, 90s, 5min, 2h or 1d, "
           "found '90'\n");
}

static void test_wrong_values(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text, *finding;
    } cases[] = {
        {"- a\n", "1:1: error: expected keys and values, such as 'workers: ..'\n"},
        {"limits: 7\n", "1:9: error: expected keys and values, such as 'key: ..'\n"},
        {"workers: 65\n", "1:10: error: expected a whole number from 1 to 64, found '65'\n"},
        {"limits: {half-open: 15}\n",
         "1:21: error: expected a whole number from 16 to 1000000, found '15'\n"},
        {"limits: {half-open: 200, sessions: 100}\n",
         "1:21: error: half-open (200) is more than sessions (100), which counts them too\n"},
        {"limits: {sessions: 100}\n",
         "1:9: error: half-open (4096) is more than sessions (100), which counts them too\n"},
        {"store: {history: 36h}\n", "1:18: error: expected whole days, found '36h'\n"},
        {"store: {history: 1h}\n", "1:18: error: expected 1d to 36500d, found '1h'\n"},
        {"store: {retire: 60500ms}\n", "1:17: error: expected whole seconds, found '60500ms'\n"},
        {"store: {retire: 1s}\n", "1:17: error: expected 1min to 365d, found '1s'\n"},
        {"limits: {exempt: 10.1.0.0/8}\n",
         "1:18: error: expected a network such as 192.0.2.0/24 or \"2001:db8::/32\", with zeros "
         "behind its bits, found '10.1.0.0/8'\n"},
        {"limits: {exempt: {a: b}}\n", "1:18: error: expected a list of networks\n"},
        {"store: {backend: sqlit}\n", "1:18: error: expected one of sqlite, memory, found 'sqlit'; "
                                      "did you mean 'sqlite'?\n"},
        {"store: {path: }\n", "1:15: error: expected text, found nothing\n"},
        {"store: {path: \"\"}\n", "1:15: error: expected a path, found nothing\n"},
        {"log: {format: xml}\n", "1:15: error: expected one of json, text, found 'xml'\n"},
        {"log: {format: [json]}\n", "1:15: error: expected text, found a list\n"},
        {"http: {insecure: yes}\n", "1:18: error: expected true or false, found 'yes'\n"},
        {"http: {hosts: [\"http://a\"]}\n",
         "1:16: error: expected a host name without scheme and port, such as usher.city.example, "
         "found 'http://a'\n"},
        {"http: {hosts: {a: b}}\n", "1:15: error: expected a list of text\n"},
        {"profiles: []\n", "1:11: error: expected at least one directory or file of profiles\n"},
        {"profiles: [[a]]\n", "1:12: error: expected text, found a list\n"},
        {"listeners: []\n", "1:12: error: expected a list of listeners, such as '- address: "
                            "0.0.0.0:5684'\n"},
        {"listeners: {address: \"0.0.0.0:1\"}\n",
         "1:12: error: expected a list of listeners, such as '- address: 0.0.0.0:5684'\n"},
        {"listeners: [{ack-timeout: 2s}]\n",
         "1:13: error: a listener needs an 'address', such as 0.0.0.0:5684\n"},
        {"listeners: [[a]]\n", "1:13: error: expected keys and values, such as 'address: ..'\n"},
        {"listeners: [\"0.0.0.0:5684\", {address: \"0.0.0.0:5684\"}]\n",
         "1:29: error: another listener has the same address\n"},
        {"listeners: [{address: \"0.0.0.0:1\", security: rpk}]\n",
         "1:46: error: expected one of psk, x509, none, found 'rpk'\n"},
        {"listeners: [{address: \"0.0.0.0:1\", security: []}]\n",
         "1:46: error: expected at least one word\n"},
        {"listeners: [{address: \"0.0.0.0:1\", security: [psk, x509]}]\n",
         "1:13: error: x509 needs a 'certificate': what the server shows to devices\n"},
        {"x509: {certificate: a}\n",
         "1:7: error: x509 needs a 'key': what the server shows to devices\n"},
        {"x509: {certificate: a, key: b}\n",
         "1:7: error: x509 needs a 'client-ca': the CAs that sign the certificates of devices\n"},
        {"x509: {certificate: a, key: b, client-ca: c, names: [cn, san]}\n",
         "1:58: error: expected one of cn, uri, dns, found 'san'\n"},
        {"x509: {certificate: a, key: b, client-ca: c, crl-expired: ignore}\n",
         "1:59: error: expected one of refuse, warn, found 'ignore'\n"},
        {"listeners: [{address: \"0.0.0.0:1\", ciphers: [gcm]}]\n",
         "1:45: error: ccm8 cannot be left out: it is the one cipher that every device has\n"},
        {"listeners: [{address: \"0.0.0.0:1\", ciphers: [ccm8, gmc]}]\n",
         "1:52: error: expected one of ccm8, gcm, cbc, found 'gmc'\n"},
        {"listeners: [{address: \"0.0.0.0:1\", ciphers: ccm8}]\n",
         "1:45: error: expected a list such as [ccm8, gcm, cbc], or all\n"},
        {"listeners: [{address: \"0.0.0.0:1\", handshake-timeout: {min: 60s, max: 9s}}]\n",
         "1:55: error: min is longer than max\n"},
        {"listeners: [{address: \"0.0.0.0:1\", handshake-timeout: 9s}]\n",
         "1:55: error: expected keys and values, such as 'key: ..'\n"},
        {"listeners: [{address: \"0.0.0.0:1\", ack-timeout: 10ms}]\n",
         "1:49: error: expected 500ms to 1min, found '10ms'\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuse(fixture, cases[i].text, cases[i].finding);
}

static void test_wrong_addresses(void **state)
{
    struct fixture *fixture = *state;
    static const char *const wrong[] = {
        "localhost:5684",
        "5684",
        ":5684",
        "0.0.0.0",
        "0.0.0.0:",
        "0.0.0.0:65536",
        "0.0.0.0:-1",
        "0.0.0.0:0x10",
        "0.0.0:5684",
        "1.2.3.4.5:1",
        "[::]",
        "[::]5684",
        "::5684",
        "::1:5684",
        "[::1:5684",
        "[0.0.0.0]:1",
        "[fe80::1%1]:1",
        " 0.0.0.0:1",
        "[[::1]]:1",
        "[]:1",
        "[:1",
        "]:1",
        "0.0.0.0:1 ",
        "0.0.0.0:1:1",
        "[::1]:000001",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[128], expected[256];
        snprintf(text, sizeof text, "listeners: [\"%s\"]\n", wrong[i]);
        snprintf(expected, sizeof expected,
                 "1:13: error: expected an IP address with a port, such as 0.0.0.0:5684 or "
                 "\"[::]:5684\", found '%s'\n",
                 wrong[i]);
        refuse(fixture, text, expected);
    }
}

static void test_public_http_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const public[] = {"0.0.0.0:80", "192.0.2.1:80", "[::]:80",
                                         "[2001:db8::1]:80", "[::ffff:192.0.2.1]:80"};
    char text[128], expected[512];
    for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) {
        snprintf(text, sizeof text, "http: {address: \"%s\"}\n", public[i]);
        snprintf(expected, sizeof expected,
                 "1:17: error: %s can be reached from other machines, and there is no login: "
                 "anybody there could read the list of devices. Name a file for tokens under "
                 "'tokens', use 127.0.0.1, or say 'insecure: true' in a network that you trust\n",
                 public[i]);
        refuse(fixture, text, expected);
        snprintf(text, sizeof text, "http: {address: \"%s\", tokens: t}\n", public[i]);
        snprintf(expected, sizeof expected,
                 "1:17: error: %s can be reached from other machines, and without TLS whoever "
                 "listens on the way has the tokens. Name 'certificate' and 'key', use 127.0.0.1 "
                 "with a proxy that speaks TLS, or say 'insecure: true' in a network that you "
                 "trust\n",
                 public[i]);
        refuse(fixture, text, expected);
        snprintf(text, sizeof text, "http: {address: \"%s\", tokens: t, certificate: c, key: k}\n",
                 public[i]);
        assert_string_equal(accepted(fixture, text)->http_key, "k");
        snprintf(text, sizeof text, "http: {insecure: true, address: \"%s\"}\n", public[i]);
        assert_string_equal(accepted(fixture, text)->http_text, public[i]);
    }
    refuse(fixture, "http: {certificate: c}\n",
           "1:21: error: 'certificate' and 'key' go together: 'key' is missing\n");
    refuse(fixture, "http: {key: k}\n",
           "1:13: error: 'certificate' and 'key' go together: 'certificate' is missing\n");
    accepted(fixture, "http: {address: \"127.0.0.1:0\"}\n");
    accepted(fixture, "http: {address: \"127.9.9.9:80\"}\n");
    accepted(fixture, "http: {address: \"[::1]:80\"}\n");
    accepted(fixture, "http: {address: \"[::ffff:127.0.0.1]:80\"}\n");
}

static void test_caps(void **state)
{
    struct fixture *fixture = *state;
    char text[1024] = "listeners: [";
    for (int i = 0; i <= CONFIG_LISTENERS_MAX; i++)
        strcat(text, "\"[::]:0\",");
    strcat(text, "]\n");
    refuse(fixture, text, "1:157: error: more than 16 listeners\n");
    strcpy(text, "profiles: [");
    for (int i = 0; i <= CONFIG_PATHS_MAX; i++)
        strcat(text, "a,");
    strcat(text, "]\n");
    refuse(fixture, text, "1:44: error: more than 16 entries\n");
    strcpy(text, "http: {socket: /");
    for (int i = 0; i < 107; i++)
        strcat(text, "s");
    strcat(text, "}\n");
    refuse(fixture, text,
           "1:16: error: the path of the socket, with its folder, has 108 bytes; the system allows "
           "107\n");
}

static void test_warnings(void **state)
{
    struct fixture *fixture = *state;
    accepted(fixture, "http: {socket: none}\n");
    assert_string_equal(findings_text(&fixture->findings),
                        "t.yaml:1:16: warning: neither a socket nor an address: the command usher "
                        "cannot reach this server\n");
    accepted(fixture, "store: {backend: memory}\n");
    assert_string_equal(findings_text(&fixture->findings),
                        "t.yaml:1:18: warning: the memory store is for tests: every device is "
                        "forgotten at the end\n");
    const struct config *config =
        accepted(fixture, "http: {socket: none, address: \"127.0.0.1:80\"}\n");
    assert_null(config->http_socket);
    assert_string_equal(findings_text(&fixture->findings), "");
}

/* ---- reload ---- */

static const char *reload(struct fixture *fixture, const char *before, const char *after)
{
    struct config *now = load(fixture, "t.yaml", before);
    assert_non_null(now);
    fixture->config = NULL;
    const struct config *next = accepted(fixture, after);
    bool allowed = config_check_reload(now, next, &fixture->findings);
    assert_int_equal(allowed, fixture->findings.errors == 0);
    config_free(now);
    return findings_text(&fixture->findings);
}

static void test_what_a_reload_may_change(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(reload(fixture, "profiles: a\nlog: {level: info}\n",
                               "profiles: [b, c]\nlog: {level: debug, format: text}\n"),
                        "");
    assert_string_equal(reload(fixture,
                               "listeners: [{address: \"0.0.0.0:1\", security: x509}]\n"
                               "x509: {certificate: a, key: b, client-ca: c}\n",
                               "listeners: [{address: \"0.0.0.0:1\", security: [x509]}]\n"
                               "x509: {certificate: d, key: e, client-ca: f, crl: g, "
                               "crl-expired: warn, names: cn}\n"),
                        "");
    /* Written otherwise, but the same. */
    assert_string_equal(reload(fixture, "store: {retire: 1d}\nlisteners: [\"0.0.0.0:5684\"]\n",
                               "store: {retire: 24h}\nlisteners: [{address: \"0.0.0.0:5684\"}]\n"),
                        "");
}

static void test_what_needs_a_restart(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *after, *key;
        int line, column;
    } cases[] = {
        {"workers: 1\n", "workers", 1, 10},
        {"listeners: [\"127.0.0.1:5684\"]\n", "listeners", 1, 12},
        {"listeners: [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n", "listeners", 1, 12},
        {"listeners: [{address: \"127.0.0.1:1\", ack-timeout: 3s}]\n", "listeners", 1, 12},
        {"listeners: [{address: \"127.0.0.1:1\", ciphers: [ccm8, cbc]}]\n", "listeners", 1, 12},
        {"listeners: [{address: \"127.0.0.1:1\", ciphers: [ccm8, gcm]}]\n", "listeners", 1, 12},
        {"listeners: [{address: \"127.0.0.1:1\", handshake-timeout: {min: 2s}}]\n", "listeners", 1,
         12},
        {"listeners: [{address: \"127.0.0.1:1\", handshake-timeout: {max: 2s}}]\n", "listeners", 1,
         12},
        {"listeners: [{address: \"127.0.0.1:1\", security: x509}]\n"
         "x509: {certificate: a, key: b, client-ca: c}\n",
         "listeners", 1, 12},
        {"limits: {half-open: 17}\n", "limits.half-open", 1, 21},
        {"limits: {sessions: 5000}\n", "limits.sessions", 1, 20},
        {"limits: {handshakes-per-source: 1}\n", "limits.handshakes-per-source", 1, 33},
        {"limits: {failures-per-source: 1}\n", "limits.failures-per-source", 1, 31},
        {"limits: {exempt: 10.0.0.0/8}\n", "limits.exempt", 1, 18},
        {"store: {backend: memory}\n", "store.backend", 1, 18},
        {"store: {path: x}\n", "store.path", 1, 15},
        {"store: {history: 1d}\n", "store.history", 1, 18},
        {"store: {retire: 1h}\n", "store.retire", 1, 17},
        {"http: {socket: x}\n", "http.socket", 1, 16},
        {"http: {socket: none}\n", "http.socket", 1, 16},
        {"http: {address: \"127.0.0.1:1\"}\n", "http.address", 1, 17},
        {"http: {hosts: [a]}\n", "http.hosts", 1, 15},
        {"http: {tokens: t}\n", "http.tokens", 1, 16},
        {"http: {rate: 5}\n", "http.rate", 1, 14},
        {"http: {insecure: true}\n", "http.insecure", 1, 18},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char before[128] = "workers: 2\nlisteners: [\"127.0.0.1:1\"]\n", after[256];
        bool top = strchr(cases[i].key, '.') == NULL;
        snprintf(after, sizeof after, "%s%s%s", cases[i].after,
                 strcmp(cases[i].key, "workers") == 0 ? "" : "workers: 2\n",
                 top && cases[i].key[0] == 'l' ? "" : "listeners: [\"127.0.0.1:1\"]\n");
        const char *text = reload(fixture, before, after);
        char expected[256];
        snprintf(expected, sizeof expected,
                 "t.yaml:%d:%d: error: '%s' can only be changed by a restart; nothing was "
                 "reloaded\n",
                 cases[i].line, cases[i].column, cases[i].key);
        if (strstr(text, expected) == NULL)
            fail_msg("%s: '%s'", cases[i].key, text);
    }
    /* A key that is gone is named at what is left. */
    assert_string_equal(reload(fixture, "store: {path: x, history: 1d}\n", "store: {path: x}\n"),
                        "t.yaml:1:8: error: 'store.history' can only be changed by a restart; "
                        "nothing was reloaded\n");
}

/* ---- files ---- */

/* The sample names every key with its default, so it equals an empty file. */
static void test_sample_shows_the_defaults(void **state)
{
    struct fixture *fixture = *state;
    const char *source = getenv("USHER_TEST_SOURCE");
    assert_non_null(source);
    char path[512], profiles[600];
    snprintf(path, sizeof path, "%s/docs/examples/usher.yaml", source);
    fixture->config = config_load(path, &fixture->findings);
    if (fixture->config == NULL)
        fail_msg("%s", findings_text(&fixture->findings));
    struct config *defaults = config_load_text(path, bytes_of_text("{}"), &fixture->findings);
    assert_true(config_check_reload(fixture->config, defaults, &fixture->findings));
    assert_int_equal(fixture->config->log_level, defaults->log_level);
    assert_int_equal(fixture->config->log_text, defaults->log_text);
    snprintf(profiles, sizeof profiles, "%s/docs/examples/profiles", source);
    assert_string_equal(fixture->config->profiles[0], profiles);
    assert_int_equal(fixture->config->profile_count, 1);
    config_free(defaults);
}

static void test_files_that_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    assert_null(config_load("/nowhere/usher.yaml", &fixture->findings));
    assert_string_equal(findings_text(&fixture->findings),
                        "/nowhere/usher.yaml: error: cannot open: No such file or directory\n");
    assert_null(load(fixture, "t.yaml", "a: [\n"));
    assert_int_equal(fixture->findings.errors, 1);
    assert_null(load(fixture, "t.yaml", ""));
    assert_int_equal(fixture->findings.errors, 1);
    config_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths_follow_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_error_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_public_http_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_caps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_warnings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_reload_may_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_needs_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sample_shows_the_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_cannot_be_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

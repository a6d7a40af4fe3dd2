/* What the OMA registry says of each object and resource, as rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "object_table_priv.h"

enum { MULTIPLE = 1, MANDATORY = 2, EXECUTABLE = 4 };

/* clang-format off */
#define ANY                 .least = 1, .most = 0
#define RANGE(first, last)  .least = (first), .most = (last)
#define ROW(object_id, resource_id, title, kind, flags, version, range, remark)                   \
    {                                                                                              \
        .object = (object_id), .id = (resource_id), .name = (title), .type = VALUE_##kind,         \
        .multiple = ((flags) & MULTIPLE) != 0, .mandatory = ((flags) & MANDATORY) != 0,            \
        .executable = ((flags) & EXECUTABLE) != 0, .since = LWM2M_##version, range,                \
        .note = (remark)                                                                           \
    }

static const struct resource_definition security[] = {
    ROW(0, 0, "Server URI", STRING, MANDATORY, 1_0, RANGE(0, 255), "coap, coaps, coap+tcp, coaps+tcp, sms or tel URI"),
    ROW(0, 1, "Bootstrap-Server", BOOLEAN, MANDATORY, 1_0, ANY, "true for the bootstrap account"),
    ROW(0, 2, "Security Mode", INTEGER, MANDATORY, 1_0, RANGE(0, 4), "0 PSK, 1 raw public key, 2 certificate, 3 none, 4 EST"),
    ROW(0, 3, "Public Key or Identity", OPAQUE, MANDATORY, 1_0, ANY, NULL),
    ROW(0, 4, "Server Public Key", OPAQUE, MANDATORY, 1_0, ANY, NULL),
    ROW(0, 5, "Secret Key", OPAQUE, MANDATORY, 1_0, ANY, NULL),
    ROW(0, 6, "SMS Security Mode", INTEGER, 0, 1_0, RANGE(0, 255), "1 DTLS, 2 secure packet, 3 none, 204-255 own"),
    ROW(0, 7, "SMS Binding Key Parameters", OPAQUE, 0, 1_0, RANGE(6, 6), NULL),
    ROW(0, 8, "SMS Binding Secret Keys", OPAQUE, 0, 1_0, RANGE(16, 48), "16, 32 or 48 bytes"),
    ROW(0, 9, "Server SMS Number", STRING, 0, 1_0, ANY, NULL),
    ROW(0, 10, "Short Server ID", INTEGER, 0, 1_0, RANGE(1, 65534), NULL),
    ROW(0, 11, "Client Hold Off Time", INTEGER, 0, 1_0, RANGE(0, UINT32_MAX), "seconds"),
    ROW(0, 12, "Bootstrap-Server Account Timeout", INTEGER, 0, 1_0, RANGE(0, UINT32_MAX), "seconds, 0 = never"),
    ROW(0, 13, "Matching Type", UNSIGNED, 0, 1_1, RANGE(0, 3), "0 exact, 1 SHA-256, 2 SHA-384, 3 SHA-512"),
    ROW(0, 14, "SNI", STRING, 0, 1_1, ANY, NULL),
    ROW(0, 15, "Certificate Usage", UNSIGNED, 0, 1_1, RANGE(0, 3), "0 CA constraint, 1 service certificate, 2 trust anchor, 3 domain-issued"),
    ROW(0, 16, "DTLS/TLS Ciphersuite", UNSIGNED, MULTIPLE, 1_1, RANGE(0, 65535), "IANA number, such as 49320 for 0xC0A8"),
    ROW(0, 17, "OSCORE Security Mode", OBJLINK, 0, 1_1, ANY, "link to /21"),
    ROW(0, 18, "Groups To Use by Client", UNSIGNED, MULTIPLE, 1_2, RANGE(0, 65535), "TLS number, such as 23 for secp256r1"),
    ROW(0, 19, "Signature Algorithms Supported by Server", UNSIGNED, MULTIPLE, 1_2, RANGE(0, 65535), "TLS number"),
    ROW(0, 20, "Signature Algorithms To Use by Client", UNSIGNED, MULTIPLE, 1_2, RANGE(0, 65535), "TLS number"),
    ROW(0, 21, "Signature Algorithm Certs Supported by Server", UNSIGNED, MULTIPLE, 1_2, RANGE(0, 65535), "TLS number"),
    ROW(0, 22, "TLS 1.3 Features To Use by Client", UNSIGNED, 0, 1_2, RANGE(0, 65535), "bits 0 PSK, 1 0-RTT, 2 PSK with PFS, 3 certificate"),
    ROW(0, 23, "TLS Extensions Supported by Server", UNSIGNED, 0, 1_2, RANGE(0, 65535), "bits"),
    ROW(0, 24, "TLS Extensions To Use by Client", UNSIGNED, 0, 1_2, RANGE(0, 65535), "bits"),
    ROW(0, 25, "Secondary Server URI", STRING, MULTIPLE, 1_2, RANGE(0, 255), NULL),
    ROW(0, 26, "MQTT Server", OBJLINK, 0, 1_2, ANY, "link to /24"),
    ROW(0, 27, "COSE Security", OBJLINK, MULTIPLE, 1_2, ANY, "link to /23"),
    ROW(0, 28, "RDS Destination Port", INTEGER, 0, 1_2, RANGE(0, 15), NULL),
    ROW(0, 29, "RDS Source Port", INTEGER, 0, 1_2, RANGE(0, 15), NULL),
    ROW(0, 30, "RDS Application ID", STRING, 0, 1_2, ANY, NULL),
};

static const struct resource_definition server[] = {
    ROW(1, 0, "Short Server ID", INTEGER, MANDATORY, 1_0, RANGE(1, 65534), NULL),
    ROW(1, 1, "Lifetime", INTEGER, MANDATORY, 1_0, RANGE(0, UINT32_MAX), "seconds"),
    ROW(1, 2, "Default Minimum Period", INTEGER, 0, 1_0, RANGE(0, UINT32_MAX), "seconds"),
    ROW(1, 3, "Default Maximum Period", INTEGER, 0, 1_0, RANGE(0, UINT32_MAX), "seconds"),
    ROW(1, 4, "Disable", NONE, EXECUTABLE, 1_0, ANY, NULL),
    ROW(1, 5, "Disable Timeout", INTEGER, 0, 1_0, RANGE(0, UINT32_MAX), "seconds"),
    ROW(1, 6, "Notification Storing", BOOLEAN, MANDATORY, 1_0, ANY, NULL),
    ROW(1, 7, "Binding", STRING, MANDATORY, 1_0, RANGE(1, 8), "LwM2M 1.0: U, UQ, S, SQ, US, UQS; from 1.1: letters U T S N M H"),
    ROW(1, 8, "Registration Update Trigger", NONE, MANDATORY | EXECUTABLE, 1_0, ANY, NULL),
    ROW(1, 9, "Bootstrap-Request Trigger", NONE, EXECUTABLE, 1_1, ANY, NULL),
    ROW(1, 10, "APN Link", OBJLINK, 0, 1_1, ANY, "link to /11"),
    ROW(1, 11, "TLS-DTLS Alert Code", UNSIGNED, 0, 1_1, RANGE(0, 255), NULL),
    ROW(1, 12, "Last Bootstrapped", TIME, 0, 1_1, ANY, NULL),
    ROW(1, 13, "Registration Priority Order", UNSIGNED, 0, 1_1, ANY, "lowest first"),
    ROW(1, 14, "Initial Registration Delay Timer", UNSIGNED, 0, 1_1, RANGE(0, UINT32_MAX), "seconds"),
    ROW(1, 15, "Registration Failure Block", BOOLEAN, 0, 1_1, ANY, NULL),
    ROW(1, 16, "Bootstrap on Registration Failure", BOOLEAN, 0, 1_1, ANY, NULL),
    ROW(1, 17, "Communication Retry Count", UNSIGNED, 0, 1_1, ANY, NULL),
    ROW(1, 18, "Communication Retry Timer", UNSIGNED, 0, 1_1, RANGE(0, UINT32_MAX), "seconds"),
    ROW(1, 19, "Communication Sequence Delay Timer", UNSIGNED, 0, 1_1, ANY, "seconds"),
    ROW(1, 20, "Communication Sequence Retry Count", UNSIGNED, 0, 1_1, ANY, NULL),
    ROW(1, 21, "Trigger", BOOLEAN, 0, 1_1, ANY, NULL),
    ROW(1, 22, "Preferred Transport", STRING, 0, 1_1, RANGE(1, 1), "one letter of Binding"),
    ROW(1, 23, "Mute Send", BOOLEAN, 0, 1_1, ANY, NULL),
    ROW(1, 24, "Alternate APN Links", OBJLINK, MULTIPLE, 1_2, ANY, "link to /11"),
    ROW(1, 25, "Supported Server Versions", STRING, MULTIPLE, 1_2, ANY, "such as 1.2"),
    ROW(1, 26, "Default Notification Mode", INTEGER, 0, 1_2, RANGE(0, 1), "0 non-confirmable, 1 confirmable"),
    ROW(1, 27, "Profile ID Hash Algorithm", UNSIGNED, 0, 1_2, RANGE(0, 255), NULL),
};

static const struct resource_definition access_control[] = {
    ROW(2, 0, "Object ID", INTEGER, MANDATORY, 1_0, RANGE(1, 65534), NULL),
    ROW(2, 1, "Object Instance ID", INTEGER, MANDATORY, 1_0, RANGE(0, 65535), "65535 = the right to create"),
    ROW(2, 2, "ACL", INTEGER, MULTIPLE, 1_0, RANGE(0, 31), "sum of read 1, write 2, execute 4, delete 8, create 16"),
    ROW(2, 3, "Access Control Owner", INTEGER, MANDATORY, 1_0, RANGE(0, 65535), "Short Server ID, 65535 = bootstrap only"),
};

static const struct resource_definition device[] = {
    ROW(3, 0, "Manufacturer", STRING, 0, 1_0, ANY, NULL),
    ROW(3, 1, "Model Number", STRING, 0, 1_0, ANY, NULL),
    ROW(3, 2, "Serial Number", STRING, 0, 1_0, ANY, NULL),
    ROW(3, 3, "Firmware Version", STRING, 0, 1_0, ANY, NULL),
    ROW(3, 4, "Reboot", NONE, MANDATORY | EXECUTABLE, 1_0, ANY, NULL),
    ROW(3, 5, "Factory Reset", NONE, EXECUTABLE, 1_0, ANY, NULL),
    ROW(3, 6, "Available Power Sources", INTEGER, MULTIPLE, 1_0, RANGE(0, 7), NULL),
    ROW(3, 7, "Power Source Voltage", INTEGER, MULTIPLE, 1_0, ANY, "mV"),
    ROW(3, 8, "Power Source Current", INTEGER, MULTIPLE, 1_0, ANY, "mA"),
    ROW(3, 9, "Battery Level", INTEGER, 0, 1_0, RANGE(0, 100), "percent"),
    ROW(3, 10, "Memory Free", INTEGER, 0, 1_0, ANY, "kB"),
    ROW(3, 11, "Error Code", INTEGER, MULTIPLE | MANDATORY, 1_0, RANGE(0, 32), NULL),
    ROW(3, 12, "Reset Error Code", NONE, EXECUTABLE, 1_0, ANY, NULL),
    ROW(3, 13, "Current Time", TIME, 0, 1_0, ANY, NULL),
    ROW(3, 14, "UTC Offset", STRING, 0, 1_0, ANY, "ISO 8601, such as +01:00"),
    ROW(3, 15, "Timezone", STRING, 0, 1_0, ANY, "IANA name, such as Europe/Vienna"),
    ROW(3, 16, "Supported Binding and Modes", STRING, MANDATORY, 1_0, ANY, NULL),
    ROW(3, 17, "Device Type", STRING, 0, 1_0, ANY, NULL),
    ROW(3, 18, "Hardware Version", STRING, 0, 1_0, ANY, NULL),
    ROW(3, 19, "Software Version", STRING, 0, 1_0, ANY, NULL),
    ROW(3, 20, "Battery Status", INTEGER, 0, 1_0, RANGE(0, 6), NULL),
    ROW(3, 21, "Memory Total", INTEGER, 0, 1_0, ANY, "kB"),
    ROW(3, 22, "ExtDevInfo", OBJLINK, MULTIPLE, 1_0, ANY, NULL),
};

static const struct resource_definition monitoring[] = {
    ROW(4, 0, "Network Bearer", INTEGER, MANDATORY, 1_0, RANGE(0, 50), NULL),
    ROW(4, 1, "Available Network Bearer", INTEGER, MULTIPLE | MANDATORY, 1_0, RANGE(0, 50), NULL),
    ROW(4, 2, "Radio Signal Strength", INTEGER, MANDATORY, 1_0, ANY, "dBm"),
    ROW(4, 3, "Link Quality", INTEGER, 0, 1_0, ANY, NULL),
    ROW(4, 4, "IP Addresses", STRING, MULTIPLE | MANDATORY, 1_0, ANY, NULL),
    ROW(4, 5, "Router IP Addresses", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(4, 6, "Link Utilization", INTEGER, 0, 1_0, RANGE(0, 100), "percent"),
    ROW(4, 7, "APN", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(4, 8, "Cell ID", INTEGER, 0, 1_0, ANY, NULL),
    ROW(4, 9, "SMNC", INTEGER, 0, 1_0, RANGE(0, 999), NULL),
    ROW(4, 10, "SMCC", INTEGER, 0, 1_0, RANGE(0, 999), NULL),
    ROW(4, 11, "SignalSNR", INTEGER, 0, 1_1, ANY, "dB"),
    ROW(4, 12, "LAC", INTEGER, 0, 1_1, ANY, NULL),
    ROW(4, 13, "Coverage Enhancement Level", INTEGER, 0, 1_2, RANGE(0, 4), NULL),
};

static const struct resource_definition firmware[] = {
    ROW(5, 0, "Package", OPAQUE, MANDATORY, 1_0, ANY, NULL),
    ROW(5, 1, "Package URI", STRING, MANDATORY, 1_0, RANGE(0, 255), NULL),
    ROW(5, 2, "Update", NONE, MANDATORY | EXECUTABLE, 1_0, ANY, NULL),
    ROW(5, 3, "State", INTEGER, MANDATORY, 1_0, RANGE(0, 3), NULL),
    ROW(5, 5, "Update Result", INTEGER, MANDATORY, 1_0, RANGE(0, 11), NULL),
    ROW(5, 6, "PkgName", STRING, 0, 1_0, RANGE(0, 255), NULL),
    ROW(5, 7, "PkgVersion", STRING, 0, 1_0, RANGE(0, 255), NULL),
    ROW(5, 8, "Firmware Update Protocol Support", INTEGER, MULTIPLE, 1_0, RANGE(0, 5), NULL),
    ROW(5, 9, "Firmware Update Delivery Method", INTEGER, MANDATORY, 1_0, RANGE(0, 2), "0 pull, 1 push, 2 both"),
    ROW(5, 10, "Cancel", NONE, EXECUTABLE, 1_2, ANY, NULL),
    ROW(5, 11, "Severity", INTEGER, 0, 1_2, RANGE(0, 2), "0 critical, 1 mandatory, 2 optional"),
    ROW(5, 12, "Last State Change Time", TIME, 0, 1_2, ANY, NULL),
    ROW(5, 13, "Maximum Defer Period", UNSIGNED, 0, 1_2, RANGE(0, UINT32_MAX), "seconds"),
};

static const struct resource_definition location[] = {
    ROW(6, 0, "Latitude", FLOAT, MANDATORY, 1_0, RANGE(-90, 90), "degrees"),
    ROW(6, 1, "Longitude", FLOAT, MANDATORY, 1_0, RANGE(-180, 180), "degrees"),
    ROW(6, 2, "Altitude", FLOAT, 0, 1_0, ANY, "metres"),
    ROW(6, 3, "Radius", FLOAT, 0, 1_0, ANY, "metres"),
    ROW(6, 4, "Velocity", OPAQUE, 0, 1_0, ANY, NULL),
    ROW(6, 5, "Timestamp", TIME, MANDATORY, 1_0, ANY, NULL),
    ROW(6, 6, "Speed", FLOAT, 0, 1_0, ANY, "m/s"),
    ROW(6, 8, "Expected Latitude", FLOAT, 0, 1_2, RANGE(-90, 90), "degrees"),
    ROW(6, 9, "Expected Longitude", FLOAT, 0, 1_2, RANGE(-180, 180), "degrees"),
    ROW(6, 10, "Expected Altitude", FLOAT, 0, 1_2, ANY, "metres"),
    ROW(6, 11, "Location Change Threshold", FLOAT, 0, 1_2, ANY, "metres"),
    ROW(6, 12, "Location Changed", BOOLEAN, 0, 1_2, ANY, NULL),
};

static const struct resource_definition statistics[] = {
    ROW(7, 0, "SMS Tx Counter", INTEGER, 0, 1_0, ANY, NULL),
    ROW(7, 1, "SMS Rx Counter", INTEGER, 0, 1_0, ANY, NULL),
    ROW(7, 2, "Tx Data", INTEGER, 0, 1_0, ANY, "kB"),
    ROW(7, 3, "Rx Data", INTEGER, 0, 1_0, ANY, "kB"),
    ROW(7, 4, "Max Message Size", INTEGER, 0, 1_0, ANY, "bytes"),
    ROW(7, 5, "Average Message Size", INTEGER, 0, 1_0, ANY, "bytes"),
    ROW(7, 6, "Start", NONE, MANDATORY | EXECUTABLE, 1_0, ANY, NULL),
    ROW(7, 7, "Stop", NONE, MANDATORY | EXECUTABLE, 1_0, ANY, NULL),
    ROW(7, 8, "Collection Period", INTEGER, 0, 1_0, RANGE(0, UINT32_MAX), "seconds, 0 = not set"),
};

static const struct resource_definition apn[] = {
    ROW(11, 0, "Profile Name", STRING, MANDATORY, 1_0, ANY, NULL),
    ROW(11, 1, "APN", STRING, 0, 1_0, ANY, NULL),
    ROW(11, 2, "Auto Select APN by Device", BOOLEAN, 0, 1_0, ANY, NULL),
    ROW(11, 3, "Enable Status", BOOLEAN, 0, 1_0, ANY, NULL),
    ROW(11, 4, "Authentication Type", INTEGER, MANDATORY, 1_0, RANGE(0, 3), "0 PAP, 1 CHAP, 2 PAP or CHAP, 3 none"),
    ROW(11, 5, "User Name", STRING, 0, 1_0, ANY, NULL),
    ROW(11, 6, "Secret", STRING, 0, 1_0, ANY, NULL),
    ROW(11, 7, "Reconnect Schedule", STRING, 0, 1_0, ANY, "seconds, comma separated"),
    ROW(11, 8, "Validity (MCC, MNC)", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 9, "Connection Establishment Time", TIME, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 10, "Connection Establishment Result", INTEGER, MULTIPLE, 1_0, RANGE(0, 1), NULL),
    ROW(11, 11, "Connection Establishment Reject Cause", INTEGER, MULTIPLE, 1_0, RANGE(0, 111), NULL),
    ROW(11, 12, "Connection End Time", TIME, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 13, "TotalBytesSent", INTEGER, 0, 1_0, ANY, NULL),
    ROW(11, 14, "TotalBytesReceived", INTEGER, 0, 1_0, ANY, NULL),
    ROW(11, 15, "IP Address", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 16, "Prefix Length", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 17, "Subnet Mask", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 18, "Gateway", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 19, "Primary DNS Address", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 20, "Secondary DNS Address", STRING, MULTIPLE, 1_0, ANY, NULL),
    ROW(11, 21, "QCI", INTEGER, 0, 1_0, RANGE(1, 9), NULL),
    ROW(11, 22, "Vendor Specific Extensions", OBJLINK, 0, 1_0, ANY, NULL),
    ROW(11, 23, "TotalPacketsSent", INTEGER, 0, 1_1, ANY, NULL),
    ROW(11, 24, "PDN Type", INTEGER, 0, 1_1, RANGE(0, 3), "0 non-IP, 1 IPv4, 2 IPv6, 3 IPv4v6"),
    ROW(11, 25, "APN Rate Control", INTEGER, 0, 1_1, ANY, NULL),
    ROW(11, 26, "Serving PLMN Rate Control", UNSIGNED, 0, 1_1, ANY, NULL),
    ROW(11, 27, "Uplink Time Unit", UNSIGNED, 0, 1_1, RANGE(0, 4), "0 none, 1 minute, 2 hour, 3 day, 4 week"),
    ROW(11, 28, "APN Rate Control for Exception Data", INTEGER, 0, 1_1, ANY, NULL),
    ROW(11, 29, "APN Exception Data Uplink Time Unit", UNSIGNED, 0, 1_1, RANGE(0, 4), "0 none, 1 minute, 2 hour, 3 day, 4 week"),
    ROW(11, 30, "Supported RAT Types", UNSIGNED, MULTIPLE, 1_1, ANY, NULL),
    ROW(11, 31, "RDS Application ID", STRING, MULTIPLE, 1_1, ANY, NULL),
    ROW(11, 32, "RDS Destination Port", INTEGER, MULTIPLE, 1_1, RANGE(0, 15), NULL),
    ROW(11, 33, "RDS Source Port", INTEGER, MULTIPLE, 1_1, RANGE(0, 15), NULL),
};

static const struct resource_definition bearer[] = {
    ROW(13, 0, "Preferred Communications Bearer", INTEGER, MULTIPLE, 1_0, RANGE(0, 100), NULL),
    ROW(13, 1, "Acceptable RSSI (GSM)", INTEGER, 0, 1_0, RANGE(-110, -48), "dBm"),
    ROW(13, 2, "Acceptable RSCP (UMTS)", INTEGER, 0, 1_0, RANGE(-120, -25), "dBm"),
    ROW(13, 3, "Acceptable RSRP (LTE)", INTEGER, 0, 1_0, RANGE(-140, -44), "dBm"),
    ROW(13, 4, "Acceptable RSSI (1xEV-DO)", INTEGER, 0, 1_0, ANY, "dBm"),
    ROW(13, 5, "Cell Lock List", STRING, 0, 1_0, ANY, "comma separated"),
    ROW(13, 6, "Operator List", STRING, 0, 1_0, ANY, "MCC+MNC, comma separated"),
    ROW(13, 7, "Operator List Mode", BOOLEAN, 0, 1_0, ANY, "false preferred, true allowed"),
    ROW(13, 8, "List of Available PLMNs", STRING, 0, 1_0, ANY, NULL),
    ROW(13, 9, "Vendor Specific Extensions", OBJLINK, 0, 1_0, ANY, NULL),
    ROW(13, 10, "Acceptable RSRP (NB-IoT)", INTEGER, 0, 1_1, RANGE(-158, -44), "dBm"),
    ROW(13, 11, "Higher Priority PLMN Search Timer", INTEGER, 0, 1_1, ANY, NULL),
    ROW(13, 12, "Attach Without PDN Connection", BOOLEAN, 0, 1_1, ANY, NULL),
};

static const struct resource_definition oscore[] = {
    ROW(21, 0, "OSCORE Master Secret", OPAQUE, MANDATORY, 1_1, ANY, NULL),
    ROW(21, 1, "OSCORE Sender ID", OPAQUE, MANDATORY, 1_1, ANY, NULL),
    ROW(21, 2, "OSCORE Recipient ID", OPAQUE, MANDATORY, 1_1, ANY, NULL),
    ROW(21, 3, "OSCORE AEAD Algorithm", INTEGER, 0, 1_1, ANY, "COSE number, such as 10 for AES-CCM-16-64-128"),
    ROW(21, 4, "OSCORE HMAC Algorithm", INTEGER, 0, 1_1, ANY, "COSE number"),
    ROW(21, 5, "OSCORE Master Salt", OPAQUE, 0, 1_1, ANY, NULL),
    ROW(21, 6, "OSCORE ID Context", OPAQUE, 0, 1_1, ANY, NULL),
};

static const struct resource_definition cose[] = {
    ROW(23, 0, "Key ID", STRING, MANDATORY, 1_2, ANY, NULL),
    ROW(23, 1, "AEAD Algorithm", INTEGER, MANDATORY, 1_2, ANY, "COSE number"),
    ROW(23, 2, "Key", STRING, MANDATORY, 1_2, ANY, NULL),
};

static const struct resource_definition mqtt[] = {
    ROW(24, 0, "Will Retain", BOOLEAN, 0, 1_2, ANY, NULL),
    ROW(24, 1, "Will Topic", STRING, 0, 1_2, ANY, NULL),
    ROW(24, 2, "Will Message", STRING, 0, 1_2, ANY, NULL),
    ROW(24, 3, "Clean Session", BOOLEAN, 0, 1_2, ANY, NULL),
    ROW(24, 4, "Will QoS", UNSIGNED, 0, 1_2, RANGE(0, 3), NULL),
    ROW(24, 5, "Keep Alive", UNSIGNED, 0, 1_2, RANGE(0, 65535), "seconds"),
    ROW(24, 6, "Client Identifier", STRING, MANDATORY, 1_2, ANY, NULL),
    ROW(24, 7, "User Name", STRING, 0, 1_2, ANY, NULL),
    ROW(24, 8, "Password", OPAQUE, 0, 1_2, ANY, NULL),
};

#define OBJECT(object_id, title, many, version, rows)                                              \
    {                                                                                              \
        .definition = {.id = (object_id), .name = (title), .multiple = (many),                     \
                       .since = LWM2M_##version},                                                  \
        .resources = (rows), .count = sizeof(rows) / sizeof(rows)[0]                               \
    }

const struct object_rows object_rows[] = {
    OBJECT(0, "Security", true, 1_0, security),
    OBJECT(1, "Server", true, 1_0, server),
    OBJECT(2, "Access Control", true, 1_0, access_control),
    OBJECT(3, "Device", false, 1_0, device),
    OBJECT(4, "Connectivity Monitoring", false, 1_0, monitoring),
    OBJECT(5, "Firmware Update", false, 1_0, firmware),
    OBJECT(6, "Location", false, 1_0, location),
    OBJECT(7, "Connectivity Statistics", false, 1_0, statistics),
    OBJECT(11, "APN Connection Profile", true, 1_0, apn),
    OBJECT(13, "Bearer Selection", false, 1_0, bearer),
    OBJECT(21, "OSCORE", true, 1_1, oscore),
    OBJECT(23, "COSE", true, 1_2, cose),
    OBJECT(24, "MQTT Server", true, 1_2, mqtt),
};
/* clang-format on */

const size_t object_rows_count = sizeof object_rows / sizeof object_rows[0];

/* Labels as SVG, with a QR code by libqrencode. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "label_priv.h"

#include "usher/bytes.h"

#include <inttypes.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARGIN = 20, /* around the label */
    QUIET = 4,   /* modules of white around a code (ISO/IEC 18004) */
    TEXT_SIZE = 26,
    LINE_MAX_LEN = 26, /* characters of an endpoint in one line */
    LINES_MAX = 6,
};

void label_begin(FILE *out, size_t count)
{
    uint64_t height = (uint64_t)count * LABEL_HEIGHT;
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%dmm\" height=\"%" PRIu64
            "mm\" viewBox=\"0 0 %d %" PRIu64 "\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            LABEL_WIDTH / 10, height / 10, LABEL_WIDTH, height);
}

void label_end(FILE *out)
{
    fputs("</svg>\n", out);
}

static void put_escaped(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        default:
            fputc(text[i], out);
        }
    }
}

/* Length of the next line: at most LINE_MAX_LEN bytes, never within a character of UTF-8. */
static size_t line_len(const char *text)
{
    size_t len = strnlen(text, LINE_MAX_LEN);
    while (len > 1 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static void put_line(FILE *out, int line, const char *text, size_t len, bool bold)
{
    fprintf(out, "<text x=\"%d\" y=\"%d\"%s>", LABEL_HEIGHT, MARGIN + (line + 1) * (TEXT_SIZE + 8),
            bold ? " font-weight=\"bold\"" : "");
    put_escaped(out, text, len);
    fputs("</text>\n", out);
}

static void put_texts(FILE *out, const char *endpoint, const char *class_name)
{
    int line = 0;
    fprintf(out, "<g font-family=\"monospace\" font-size=\"%d\">\n", TEXT_SIZE);
    for (; *endpoint != '\0' && line < LINES_MAX; line++) {
        size_t len = line_len(endpoint);
        put_line(out, line, endpoint, len, true);
        endpoint += len;
    }
    put_line(out, line, class_name, strlen(class_name), false);
    fputs("</g>\n", out);
}

/* One path for all dark modules, runs of a row in one piece. */
static void put_modules(FILE *out, const QRcode *code)
{
    double size = (double)(LABEL_HEIGHT - 2 * MARGIN) / (code->width + 2 * QUIET);
    fprintf(out, "<path transform=\"translate(%d %d) scale(%.3f)\" d=\"", MARGIN, MARGIN, size);
    for (int y = 0; y < code->width; y++) {
        for (int x = 0; x < code->width; x++) {
            int run = 0;
            while (x + run < code->width && (code->data[y * code->width + x + run] & 1) != 0)
                run++;
            if (run > 0)
                fprintf(out, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, run, run);
            x += run;
        }
    }
    fputs("\"/>\n", out);
}

bool label_draw(FILE *out, const char *endpoint, const char *class_name, const char *code,
                uint64_t top)
{
    QRcode *qr = QRcode_encodeString8bit(code, 0, QR_ECLEVEL_M);
    if (qr == NULL)
        return false;
    fprintf(out, "<g transform=\"translate(0 %" PRIu64 ")\">\n", top);
    put_modules(out, qr);
    put_texts(out, endpoint, class_name);
    fputs("</g>\n", out);
    bytes_wipe(qr->data, (size_t)qr->width * (size_t)qr->width);
    QRcode_free(qr);
    return true;
}

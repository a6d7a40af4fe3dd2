/* Tables for people: columns as wide as their widest cell. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMN_GAP = 2 };

struct row {
    char **cells;
    enum cli_colour colour;
};

struct cli_table {
    size_t columns;
    size_t row_count, row_cap;
    struct row *rows; /* the first holds the titles */
    size_t *widths;
};

static void free_row(struct row *row, size_t columns)
{
    for (size_t i = 0; row->cells != NULL && i < columns; i++)
        free(row->cells[i]);
    free(row->cells);
}

void cli_table_free(struct cli_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->row_count; i++)
        free_row(&table->rows[i], table->columns);
    free(table->rows);
    free(table->widths);
    free(table);
}

struct cli_table *cli_table_new(size_t columns, const char *const *titles)
{
    struct cli_table *table = cli_memory(calloc(1, sizeof *table));
    table->columns = columns;
    table->widths = cli_memory(calloc(columns, sizeof *table->widths));
    cli_table_row(table, titles, CLI_DIM);
    return table;
}

static struct row *add_row(struct cli_table *table)
{
    if (table->row_count == table->row_cap) {
        table->row_cap = table->row_cap == 0 ? 32 : table->row_cap * 2;
        table->rows = cli_memory(reallocarray(table->rows, table->row_cap, sizeof *table->rows));
    }
    struct row *row = &table->rows[table->row_count++];
    *row = (struct row){.cells = cli_memory(calloc(table->columns, sizeof *row->cells))};
    return row;
}

void cli_table_row(struct cli_table *table, const char *const *cells, enum cli_colour colour)
{
    struct row *row = add_row(table);
    row->colour = colour;
    for (size_t i = 0; i < table->columns; i++) {
        const char *text = cells[i] != NULL && cells[i][0] != '\0' ? cells[i] : "-";
        row->cells[i] = cli_memory(strdup(text));
        size_t width = cli_text_width(text);
        if (width > table->widths[i])
            table->widths[i] = width;
    }
}

/* The last cell is not padded: no blanks at line ends. */
static void print_row(const struct cli_table *table, const struct row *row, FILE *out)
{
    const char *start = row->colour == CLI_PLAIN ? "" : cli_colour(row->colour);
    fputs(start, out);
    for (size_t i = 0; i < table->columns; i++) {
        cli_put_text(out, row->cells[i]);
        if (i + 1 < table->columns)
            fprintf(out, "%*s",
                    (int)(table->widths[i] - cli_text_width(row->cells[i]) + COLUMN_GAP), "");
    }
    fputs(start[0] != '\0' ? cli_colour(CLI_PLAIN) : "", out);
    fputc('\n', out);
}

void cli_table_print(struct cli_table *table, FILE *out)
{
    for (size_t i = 0; i < table->row_count; i++) {
        print_row(table, &table->rows[i], out);
        free_row(&table->rows[i], table->columns);
    }
    table->row_count = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* module: cli */
/* The command `usher`, for people and scripts. */
#ifndef USHER_CLI_H
#define USHER_CLI_H

/* Runs one command line; returns the exit code (see `usher help`). */
int cli_main(int argc, char **argv);

#endif

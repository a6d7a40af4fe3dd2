/* The program usher: everything is in the module cli. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}

/* How CPython is configured on 32-bit Linux, as far as its headers ask. Stands in for the pyconfig.h of an installation
 * there; the other headers are the same everywhere. Only check.py may use it. */
#ifndef FASTMODBUS_PYCONFIG_H
#define FASTMODBUS_PYCONFIG_H

#include "posix.h"

#define SIZEOF_LONG 4
#define SIZEOF_VOID_P 4
#define SIZEOF_SIZE_T 4
#define SIZEOF_TIME_T 4
#define SIZEOF_PTHREAD_T 4
#define _GNU_SOURCE 1
#define _POSIX_C_SOURCE 200809L

#endif

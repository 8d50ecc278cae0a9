/* How CPython is configured on 64-bit macOS, as far as its headers ask. Stands in for the pyconfig.h of an installation
 * there; the other headers are the same everywhere. Only check.py may use it. */
#ifndef FASTMODBUS_PYCONFIG_H
#define FASTMODBUS_PYCONFIG_H

#include "posix.h"

#define SIZEOF_LONG 8
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_TIME_T 8
#define SIZEOF_PTHREAD_T 8
#define _DARWIN_C_SOURCE 1

#endif

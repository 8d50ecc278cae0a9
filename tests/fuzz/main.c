/* libFuzzer's entry into the targets: starts one interpreter, which loads the target's module, the core with it, and
 * hands over the address of a C function. From then on no Python runs; each input is one call of that function.
 *
 * FUZZ_TARGET names the module, FUZZ_PYTHON the interpreter whose environment is used. Built by build.py.
 */
#include <Python.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef const char *(*target_fn)(const uint8_t *, size_t);
static target_fn target;

static void give_up(const char *what) {
    if (PyErr_Occurred()) PyErr_Print();
    fprintf(stderr, "%s\n", what);
    exit(2);
}

static void start_python(void) {
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.install_signal_handlers = 0;
    PyStatus status = PyConfig_SetBytesString(&config, &config.program_name, getenv("FUZZ_PYTHON"));
    if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) Py_ExitStatusException(status);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    if (!getenv("FUZZ_TARGET") || !getenv("FUZZ_PYTHON")) give_up("FUZZ_TARGET and FUZZ_PYTHON are not set");
    start_python();
    PyObject *module = PyImport_ImportModule(getenv("FUZZ_TARGET"));
    PyObject *address = module ? PyObject_GetAttrString(module, "RUN") : NULL;
    if (!address) give_up("the target cannot be loaded");
    target = (target_fn)PyLong_AsSize_t(address);
    Py_DECREF(address);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *wrong = target(data, size);
    if (wrong) {
        fprintf(stderr, "WRONG: %s\n", wrong);
        abort();
    }
    return 0;
}

# Declarations of net.h and poller.h for their users: reactor.pyx, connection.pyx, pump.pyx, the loop.

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "net.h" nogil:
    enum:
        NET_AGAIN
        NET_INTERRUPTED
        NET_CLOSED
        NET_ERROR
        NET_READABLE
        NET_WRITABLE
        NET_WOKEN
    ctypedef Py_ssize_t net_socket
    net_socket NET_NONE
    ctypedef struct sync_lock:
        pass
    ctypedef struct net_waker:
        pass
    void sync_init(sync_lock* s)
    void sync_destroy(sync_lock* s)
    void sync_acquire(sync_lock* s)
    void sync_release(sync_lock* s)
    void sync_notify(sync_lock* s)
    void sync_wait(sync_lock* s, int64_t ns)
    uint64_t sync_thread()
    int64_t sync_process()
    int64_t net_now()
    int net_prepare(net_socket s)
    void net_close(net_socket s)
    int net_send(net_socket s, const uint8_t* data, size_t size, int apart, int* error)
    int net_recv(net_socket s, uint8_t* data, size_t size, int* error)
    void net_acknowledge(net_socket s)
    int net_waker_open(net_waker* w)
    void net_waker_close(net_waker* w)
    void net_wake(net_waker* w)
    int net_wait(net_socket s, int want_write, net_waker* w, int64_t ns, int* error)

cdef extern from "poller.h" nogil:
    ctypedef struct net_event:
        void* who
        int ready
    ctypedef struct net_poller:
        pass
    int net_poller_open(net_poller* p, net_waker* w)
    void net_poller_close(net_poller* p)
    int net_poller_watch(net_poller* p, net_socket s, void* who, int want_write, int again)
    void net_poller_forget(net_poller* p, net_socket s)
    int net_poller_wait(net_poller* p, int64_t until, net_event* events, int room)

"""The system calls that exist in a box, by what they are for; any other fails with ENOSYS.

Found by tracing digits, nanogpt-tiny, grpo-tiny, torchrun with gloo, `torch.compile`,
multiprocessing and the tools that start a box; the memory policy, the timers and the newer twins of
old calls are there for CUDA, NCCL, Triton and vLLM, from what these are known to use: none of them
has been run here. Calls of one architecture only are left out on the other.

Left out on purpose, since boxes share inodes, page cache and some accounts of the kernel:

- `flock`, leases, notifications (`inotify`, `fanotify`): one box would see what another does with
  a file of the system;
- `fadvise64`, `readahead`, `mincore`, `cachestat`, `preadv2`, `pwritev2`, `sync_file_range`,
  `process_madvise`, `move_pages`: they read or set what is in the page cache;
- `sysinfo`: memory, processes and load of the whole machine, but for boxes with GPUs;
- `io_setup` and its like, `io_uring`: slots and memory of the whole machine, a history of holes;
- `splice`, `tee`, `vmsplice`, `copy_file_range`: pages and extents move instead of bytes;
- System V IPC, POSIX message queues, key rings: they can outlive a process;
- `sched_setaffinity`: the cores of other trials; `sync`, `syncfs`: the disks of the host;
- `pidfd_open` and its like: the inode of such a descriptor counts the processes of the machine;
- `ptrace`, `process_vm_*`, `pidfd_getfd`, `kcmp`: other processes;
- namespaces, mounts, `chroot`, `name_to_handle_at`, `bpf`, `perf_event_open`, `userfaultfd`,
  `seccomp`, `landlock_*`, clocks, modules, `personality`, `modify_ldt`: nothing here needs them.
"""

from __future__ import annotations

PURPOSES = {
    "Descriptors: bytes in, bytes out, copies of the descriptor": """
        read write readv writev pread64 pwrite64 preadv pwritev lseek sendfile
        close close_range dup dup2 dup3 pipe pipe2
    """,
    "Waiting for many at once; loops of events, timers and signals as descriptors": """
        poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
        epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime
        timerfd_gettime
    """,
    "Opening and looking at files": """
        open openat openat2 creat access faccessat faccessat2 stat fstat lstat newfstatat statx
        statfs fstatfs readlink readlinkat getdents getdents64 getcwd chdir fchdir umask
        getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    """,
    "Changing them: a box can do so in its own folders only": """
        mkdir mkdirat mknod mknodat rmdir unlink unlinkat rename renameat renameat2 link linkat
        symlink symlinkat truncate ftruncate fallocate fsync fdatasync chmod fchmod fchmodat chown
        fchown lchown fchownat utime utimes futimesat utimensat setxattr lsetxattr fsetxattr
        removexattr lremovexattr fremovexattr
    """,
    "Memory: of the process, shared with its children, without a name": """
        brk mmap munmap mremap mprotect msync mlock mlock2 munlock mlockall munlockall memfd_create
        pkey_alloc pkey_free pkey_mprotect
    """,
    "Memory near to a processor or a GPU: NCCL and PyTorch place buffers so": """
        get_mempolicy set_mempolicy mbind
    """,
    "Processes and threads, how they start and end": """
        fork vfork execve execveat exit exit_group wait4 waitid set_tid_address set_robust_list
        get_robust_list futex membarrier rseq restart_syscall arch_prctl
    """,
    "Signals": """
        kill tkill tgkill rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend
        rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack pause
    """,
    "Who a process is, its groups and sessions": """
        getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgid
        getpgrp getsid setpgid setsid
    """,
    "Becoming less: what starts a box gives its rights up with these": """
        setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capget
        capset
    """,
    "Accounts, limits and priorities of its own": """
        getrusage getrlimit setrlimit prlimit64 times getpriority setpriority sched_yield
        sched_getaffinity sched_getparam sched_getscheduler sched_getattr sched_setparam
        sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval
        getcpu
    """,
    "Time: to be read, waited for and alarmed by": """
        time gettimeofday clock_gettime clock_getres nanosleep clock_nanosleep alarm getitimer
        setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete
    """,
    "Sockets, in a network namespace of its own: gloo, NCCL and torchrun talk over loopback": """
        bind listen accept accept4 connect getsockname getpeername sendto
        recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown
    """,
    "The machine's kind, and random numbers": """
        uname getrandom
    """,
}
ALLOWED = frozenset(name for names in PURPOSES.values() for name in names.split())
# CUDA's driver ends with error 304, "OS call failed", without files in memory, and asks for the
# machine's memory as it starts (NVIDIA/OpenShell#1696, the trace in NVIDIA/cuda-checkpoint#10).
FOR_GPUS = frozenset({"memfd_create", "sysinfo"})

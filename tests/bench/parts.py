# What scripts/bench measures: each part takes a Bench and gives figures by name.
# SPDX-License-Identifier: Apache-2.0
import json
import statistics
import subprocess
import time

from measure import WARM_UP, Failed, Partly, memory_kib, middle, middle_ratio, shape

MESSAGE_SESSIONS = {"100": 100, "1k": 1000, "10k": 10000}
FLOOD_DEVICES = 1000
FLOOD_SOURCES = 20000
FLOOD_RATE = 50000


def psk(bench):
    """A bootstrap with a pre-shared key, its server key enrolled or generated."""
    enrolled = bench.usherd("enrolled")
    generate = bench.usherd("generate", credential="generate")
    messages = bench.record(enrolled)
    if shape(messages) != shape(bench.record(generate)):
        raise Failed("the two profiles do not lead to messages of the same lengths")
    floor = bench.floor(messages)
    bench.alternate("psk", [(server, lambda count, server=server: bench.load(server, count))
                            for server in (floor, enrolled, generate)])
    return {
        "psk_us": middle(enrolled.samples),
        "psk_floor_us": middle(floor.samples),
        "psk_ratio": middle_ratio(enrolled.samples, floor.samples),
        "psk_generate_us": middle(generate.samples),
        "psk_generate_ratio": middle_ratio(generate.samples, floor.samples),
        "psk_messages": len(shape(messages)),
        "psk_message_bytes": sum(shape(messages)),
        "psk_samples_us": {server.name: [round(value, 1) for value in server.samples]
                           for server in (floor, enrolled, generate)},
        "rss_kib": memory_kib(enrolled.pid, "VmHWM"),
    }


def make_certificates(bench, devices):
    """A root, a server and so many devices, which share a key; made by the command openssl."""
    folder = bench.folder / "pki"
    folder.mkdir()

    def openssl(*arguments):
        code, _ = bench.run("openssl", *arguments, cwd=folder, stderr=subprocess.DEVNULL)
        if code != 0:
            raise Failed("openssl " + " ".join(arguments) + " failed")

    for name in ("root", "server", "device"):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                f"{name}.key")
        (folder / f"{name}.key").chmod(0o600)
    openssl("req", "-x509", "-new", "-key", "root.key", "-subj", "/CN=root", "-days", "30", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign", "-out", "root.pem")
    (folder / "leaf").write_text("basicConstraints=CA:FALSE\n")

    def certificate(name, key, subject):
        openssl("req", "-new", "-key", f"{key}.key", "-subj", f"/CN={subject}", "-out", "request")
        openssl("x509", "-req", "-in", "request", "-CA", "root.pem", "-CAkey", "root.key",
                "-CAcreateserial", "-days", "30", "-extfile", "leaf", "-out", f"{name}.pem")

    certificate("server", "server", "bs.city.example")
    for number in range(devices):
        if number % 50 == 0:
            bench.say(f"{number} of {devices} certificates")
        certificate(f"bench-{number:06}", "device", f"bench-{number:06}")
    return folder


def x509(bench):
    """A bootstrap with certificates on both sides, and what libcrypto's P-256 saves in it."""
    devices = min(250, bench.options.devices)
    pki = make_certificates(bench, devices)
    settings = (f"x509: {{ certificate: {pki}/server.pem, key: {pki}/server.key, "
                f"client-ca: {pki}/root.pem }}\n")
    listener = ", security: x509"

    def work(server, concurrency=None):
        return lambda count: bench.load(server, count, "--certificates", pki, devices=devices,
                                        concurrency=concurrency)

    usherd = bench.usherd("usherd", listener=listener, settings=settings)
    messages = bench.folder / "x509.messages"
    bench.load(usherd, 1, "--certificates", pki, "--record", messages, devices=devices,
               concurrency=1)
    floor = bench.floor(messages, certificates=pki)
    bench.alternate("x509", [(floor, work(floor)), (usherd, work(usherd))], warm_up=500)
    result = {
        "x509_us": middle(usherd.samples),
        "x509_floor_us": middle(floor.samples),
        "x509_ratio": middle_ratio(usherd.samples, floor.samples),
        "p256_speedup": None,
    }
    if bench.options.stock_build is None:
        raise Partly(result, "there is no build with Mbed TLS's own P-256 to compare with")
    stock = bench.usherd("stock", listener=listener, settings=settings,
                         build=bench.options.stock_build.resolve())
    bench.alternate("P-256 of Mbed TLS", [(stock, work(stock, 20))], warm_up=100)
    result["x509_stock_us"] = middle(stock.samples)
    result["p256_speedup"] = round(result["x509_stock_us"] / result["x509_us"], 2)
    return result


def msg(bench):
    """A message and its answer, with so many sessions open."""
    result = {}
    usherd = bench.usherd("usherd")
    messages = bench.record(usherd)
    for name, sessions in MESSAGE_SESSIONS.items():
        usherd.samples = []
        floor = bench.floor(messages)
        bench.say(f"opening {sessions} sessions with both")
        ours, theirs = bench.hold(usherd, sessions), bench.hold(floor, sessions)
        bench.alternate(f"{sessions} sessions", [(floor, theirs.messages), (usherd, ours.messages)])
        result[f"msg_us_{name}"] = middle(usherd.samples, 2)
        result[f"msg_floor_us_{name}"] = middle(floor.samples, 2)
        result[f"msg_ratio_{name}"] = middle_ratio(usherd.samples, floor.samples)
        for process in (ours.process, theirs.process, floor.process):
            process.kill()
            process.wait()
    return result


def open_sessions(bench):
    """Memory of an open session, and a bootstrap beside very many of them."""
    many = bench.options.sessions
    server = bench.usherd("usherd")

    def work(count):
        bench.load(server, count)

    server.calibrate(work, WARM_UP, bench.options.seconds)
    none, held = [], []
    for run in range(bench.options.runs):
        none.append(server.sample(work))
        bench.say(f"none open, {run + 1} of {bench.options.runs}: {none[-1]:.1f} us")
    before = memory_kib(server.pid)
    bench.say(f"opening {many} sessions")
    holder = bench.hold(server, many)
    server.settled_cpu()
    each = (memory_kib(server.pid) - before) / many
    # The first message tells the server that its last flight has arrived.
    holder.alive()
    idle = (memory_kib(server.pid) - before) / many
    for run in range(bench.options.runs):
        held.append(server.sample(work))
        bench.say(f"{many} open, {run + 1} of {bench.options.runs}: {held[-1]:.1f} us")
    bench.say("counting them")
    alive = holder.alive()
    return {
        "open_sessions": many,
        "open_alive": alive,
        "bootstrap_us_none_open": middle(none),
        "bootstrap_us_50k_open": middle(held),
        "bootstrap_ratio_50k_open": round(statistics.median(held) / statistics.median(none), 3),
        "rss_kib_per_session": round(each, 1),
        "rss_kib_per_session_used": round(idle, 1),
    }


def workers(bench):
    """The same bootstraps with two workers."""
    one, two = bench.usherd("one worker"), bench.usherd("two workers", workers=2)
    bench.alternate("workers", [(server, lambda count, server=server: bench.load(server, count))
                                for server in (one, two)])
    return {
        "one_worker_us": middle(one.samples),
        "two_worker_us": middle(two.samples),
        "two_worker_ratio": middle_ratio(two.samples, one.samples),
    }


def hello(bench):
    """A forged ClientHello, answered with a cookie."""
    usherd = bench.usherd("usherd")
    floor = bench.floor(program="hello-floor")

    def work(server):
        def flood(count):
            _, report = bench.sim("flood", "--server", f"coaps://127.0.0.1:{server.port}", "--rate",
                                  "max", "--await", 512, "--sources", FLOOD_SOURCES, "--for",
                                  "120s", "--count", count, limit=150)
            if report["answered"] < 0.99 * count:
                raise Failed(f"{server.name}: {report['answered']} of {count} hellos answered")
        return flood

    bench.alternate("hello", [(floor, work(floor)), (usherd, work(usherd))])
    return {
        "hello_us": middle(usherd.samples, 2),
        "hello_floor_us": middle(floor.samples, 2),
        "hello_ratio": middle_ratio(usherd.samples, floor.samples),
    }


def write_keys(bench, devices):
    path = bench.folder / "keys.csv"
    path.write_text("".join(f"bench-{n:06},bench-{n:06}," + f"bench-key-{n:06}".encode().hex() + "\n"
                            for n in range(devices)))
    return path


def fill_caches(bench, server):
    """Bootstraps until SQLite's caches hold what they may hold, so that what is taken afterwards is not theirs."""
    for _ in range(12):
        before = memory_kib(server.pid)
        bench.load(server, 10000)
        server.settled_cpu()
        taken = memory_kib(server.pid) - before
        bench.say(f"filling caches: {taken} KiB more")
        if taken < 64:
            return


def flood(bench):
    """Real devices while hellos are forged."""
    server = bench.usherd("usherd")
    devices = min(FLOOD_DEVICES, bench.options.devices)
    keys = write_keys(bench, devices)
    uri = f"coaps://127.0.0.1:{server.port}"

    def fleet(what):
        _, report = bench.sim("fleet", "--server", uri, "--keys", keys, "--concurrency", 50,
                              "--handshake-min", "200ms", "--ack-timeout", "500ms", limit=120)
        bench.say(f"{what}: {report['bootstrapped']} of {devices}, "
                  f"p99 {report['duration_ms']['p99']} ms")
        return report

    def forge(rate):
        process = bench.start(bench.build / "src/usher-sim", "flood", "--server", uri, "--rate", rate,
                              "--sources", FLOOD_SOURCES, "--for", "300s", "--quiet", "--json", "-",
                              stdout=subprocess.PIPE)
        time.sleep(1)
        return process

    def end(process):
        """How many hellos a second there were."""
        process.terminate()
        report = json.loads(process.communicate(timeout=10)[0])
        return round(report["sent"] / report["seconds"])

    rounds = 5
    for _ in range(rounds):
        fleet("warm-up")
    fill_caches(bench, server)
    before = memory_kib(server.pid)
    calm = [fleet("calm") for _ in range(rounds)]
    calm_delta = memory_kib(server.pid) - before
    before = memory_kib(server.pid)
    process = forge(FLOOD_RATE)
    stormy = [fleet(f"{FLOOD_RATE} hellos a second") for _ in range(rounds)]
    rate = end(process)
    delta = memory_kib(server.pid) - before
    holder = bench.hold(server, devices)
    for _ in range(rounds):
        fleet("beside open sessions")
    before = memory_kib(server.pid)
    bench.say("as many hellos as can be")
    process = forge("max")
    worst = fleet("as many hellos as can be")
    max_rate = end(process)
    calm_p99 = statistics.median(report["duration_ms"]["p99"] for report in calm)
    storm_p99 = statistics.median(report["duration_ms"]["p99"] for report in stormy)
    return {
        "flood_devices": devices,
        "flood_rate": rate,
        "flood_done": min(report["bootstrapped"] for report in stormy),
        "flood_rss_delta_kib": delta,
        "calm_rss_delta_kib": calm_delta,  # as many bootstraps without hellos
        "calm_p99_ms": calm_p99,
        "flood_p99_ms": storm_p99,
        "flood_p99_ratio": round(storm_p99 / max(calm_p99, 1), 2),
        "flood_max_rate": max_rate,
        "flood_max_done": worst["bootstrapped"],
        "flood_max_rss_delta_kib": memory_kib(server.pid) - before,
        "flood_max_sessions_lost": devices - holder.alive(),
    }


def slow(bench):
    """Devices that each need ten seconds for a round trip, at once; what is sent twice."""
    devices = min(2000, bench.options.devices)
    listener = ", handshake-timeout: { min: 12s, max: 60s }, ack-timeout: 3s"
    server = bench.usherd("usherd", listener=listener)
    keys = write_keys(bench, devices)

    def fleet(count, *more):
        _, report = bench.sim("fleet", "--server", f"coaps://127.0.0.1:{server.port}", "--keys",
                              keys, "--devices", count, "--concurrency", count, *more, limit=400)
        return report

    fast = fleet(1)
    bench.say(f"{devices} devices, 10 s there and back: takes two minutes")
    report = fleet(devices, "--round-trip", "10s", "--handshake-min", "12s", "--ack-timeout", "12s")
    return {
        "slow_devices": devices,
        "slow_done": report["bootstrapped"],
        "slow_seconds": round(report["seconds"], 1),
        "slow_sent_twice": report["datagrams_received"] - devices * fast["datagrams_received"],
        "slow_devices_sent_twice": report["datagrams_sent"] - devices * fast["datagrams_sent"],
    }

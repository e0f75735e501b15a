#!/bin/bash
# Records tests/data/real.pcap: real clients talking to real servers over a
# veth pair between two throw-away network namespaces, captured by tcpdump.
#
# Usage (as root): tests/data/make-sample.sh [OUTPUT.pcap]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/real.pcap}

PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C
# No proxy of the caller may leak into the capture.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

die() {
    echo "make-sample.sh: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || die "must run as root"

missing=
for cmd in ip ss ethtool tcpdump nginx dnsmasq iperf3 openssl curl dig ping; do
    command -v "$cmd" >/dev/null || missing="$missing $cmd"
done
[ -z "$missing" ] || die "missing:$missing; on Debian run" \
    "'apt-get install -y --no-install-recommends iproute2 ethtool tcpdump" \
    "nginx-light dnsmasq-base iperf3 openssl curl bind9-dnsutils iputils-ping'."

# --- names and addresses (documentation ranges only) ------------------------
srv_ns=pp-srv-$$
cli_ns=pp-cli-$$
srv_if=pp-srv
cli_if=pp-cli
srv4=198.51.100.1
cli4=198.51.100.2
srv6=2001:db8::1
cli6=2001:db8::2
name=www.example.test

# --- cleanup on every way out -----------------------------------------------
work=
pids=

cleanup() {
    trap - EXIT INT TERM HUP
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $pids; do
        wait "$pid" 2>/dev/null || true
    done
    ip netns del "$cli_ns" 2>/dev/null || true
    ip netns del "$srv_ns" 2>/dev/null || true
    [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

work=$(mktemp -d)
chmod 755 "$work"           # the nginx worker runs as www-data
export TMPDIR=$work

srv() { ip netns exec "$srv_ns" "$@"; }
cli() { ip netns exec "$cli_ns" "$@"; }

# Repeats a command for up to 10 s until it succeeds.
wait_for() {
    for _ in $(seq 100); do
        if "$@" >/dev/null 2>&1; then
            return 0
        fi
        sleep 0.1
    done
    return 1
}

# --- namespaces and link ----------------------------------------------------
ip netns add "$srv_ns"
ip netns add "$cli_ns"
# Created inside the namespaces, with fixed, locally administered addresses.
ip -n "$srv_ns" link add "$srv_if" mtu 9000 address 02:00:00:00:00:01 \
    type veth peer name "$cli_if" mtu 9000 address 02:00:00:00:00:02 \
    netns "$cli_ns"
# Without offloads the frames look as they would on a wire: at most
# 9014 bytes, with real checksums.
srv ethtool -K "$srv_if" tso off gso off gro off tx off rx off >/dev/null
cli ethtool -K "$cli_if" tso off gso off gro off tx off rx off >/dev/null

# Same congestion control everywhere, whatever the host's default is.
for ns in "$srv_ns" "$cli_ns"; do
    ip netns exec "$ns" \
        sh -c 'echo reno >/proc/sys/net/ipv4/tcp_congestion_control'
done

# --- capture (started before the first address, so DAD, MLD, ARP are in) ----
ip -n "$cli_ns" link set "$cli_if" up
ip netns exec "$cli_ns" tcpdump -Z root -n -i "$cli_if" -s 0 -B 65536 -U \
    --time-stamp-precision=nano -w "$work/real.pcap" 2>"$work/tcpdump.log" &
dump_pid=$!
pids="$pids $dump_pid"
wait_for grep -q 'listening on' "$work/tcpdump.log" ||
    die "tcpdump did not start: $(cat "$work/tcpdump.log")"

ip -n "$srv_ns" link set lo up
ip -n "$cli_ns" link set lo up
ip -n "$srv_ns" link set "$srv_if" up
ip -n "$srv_ns" addr add "$srv4/24" dev "$srv_if"
ip -n "$srv_ns" addr add "$srv6/64" dev "$srv_if"
ip -n "$cli_ns" addr add "$cli4/24" dev "$cli_if"
ip -n "$cli_ns" addr add "$cli6/64" dev "$cli_if"

# Succeeds once duplicate address detection is over on both ends.
addresses_ready() {
    [ -z "$(ip -n "$srv_ns" -6 addr show tentative)" ] &&
        [ -z "$(ip -n "$cli_ns" -6 addr show tentative)" ]
}
wait_for addresses_ready || die "IPv6 addresses stay tentative"

# --- servers ----------------------------------------------------------------
mkdir "$work/www" "$work/tmp"
for size in 64 512 1400 9000 40000 150000; do
    awk 'BEGIN { for (i = 1; i <= 8000; i++) printf "sample line %06d\n", i }' |
        head -c "$size" >"$work/www/$size.txt"
done
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$name" \
    -addext "subjectAltName=DNS:$name" -keyout "$work/key.pem" \
    -out "$work/cert.pem" 2>/dev/null

cat >"$work/nginx.conf" <<CONF
user www-data;
daemon off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.log;
events { worker_connections 64; }
http {
    access_log off;
    server_tokens off;
    default_type text/plain;
    keepalive_requests 10000;
    client_body_temp_path $work/tmp/body;
    proxy_temp_path $work/tmp/proxy;
    fastcgi_temp_path $work/tmp/fastcgi;
    uwsgi_temp_path $work/tmp/uwsgi;
    scgi_temp_path $work/tmp/scgi;
    server {
        listen $srv4:80;
        listen [$srv6]:80;
        listen $srv4:443 ssl;
        listen [$srv6]:443 ssl;
        server_name $name;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $work/cert.pem;
        ssl_certificate_key $work/key.pem;
        root $work/www;
    }
}
CONF
ip netns exec "$srv_ns" nginx -e "$work/nginx.log" -p "$work" \
    -c "$work/nginx.conf" >"$work/nginx.out" 2>&1 &
pids="$pids $!"

ip netns exec "$srv_ns" dnsmasq --keep-in-foreground --conf-file=/dev/null \
    --user=root --pid-file= --no-hosts --no-resolv --log-facility=- \
    --listen-address="$srv4,$srv6" --bind-interfaces --local=/test/ \
    --host-record="$name,$srv4,$srv6" \
    --txt-record="example.test,sample text record" \
    --mx-host="example.test,$name,10" >"$work/dnsmasq.log" 2>&1 &
pids="$pids $!"

ip netns exec "$srv_ns" iperf3 -s >"$work/iperf3-server.log" 2>&1 &
pids="$pids $!"

# Succeeds if the server side listens on the given port.
listening() { [ -n "$(srv ss -Hltn "sport = :$1")" ]; }
for port in 80 443 53 5201; do
    wait_for listening "$port" ||
        die "no server on port $port: $(cat "$work"/*.log "$work/nginx.out")"
done

# --- clients ----------------------------------------------------------------
# One curl call; several URLs in a call share one connection.
get() {
    cli curl -q -sS --noproxy '*' --cacert "$work/cert.pem" \
        --resolve "$name:80:$srv4,[$srv6]" \
        --resolve "$name:443:$srv4,[$srv6]" -o /dev/null "$@"
}
echo_req() { cli ping -n -q -i 0.005 "$@" >/dev/null; }
ask() { cli dig -r +tries=1 +timeout=2 "$@" >/dev/null; }
perf() {
    cli iperf3 -c "$@" >"$work/iperf3.log" 2>&1 ||
        die "$(cat "$work/iperf3.log")"
}

# ping: empty to largest unfragmented (8972 / 8952), then fragmented
for size in 0 18 56 200 600 1472; do
    echo_req -c 12 -s "$size" "$srv4"
    echo_req -c 12 -s "$size" "$srv6"
done
for size in 4000 8000 8952; do
    echo_req -c 3 -s "$size" "$srv4"
    echo_req -c 3 -s "$size" "$srv6"
done
echo_req -c 2 -s 8972 "$srv4"
echo_req -c 2 -s 20000 "$srv4"
echo_req -c 2 -s 20000 "$srv6"

# DNS: answers, empty answers, NXDOMAIN, over UDP and TCP
for server in "$srv4" "$srv6"; do
    for _ in 1 2 3 4 5 6; do
        ask "@$server" "$name" A
        ask "@$server" "$name" AAAA
        ask "@$server" none.example.test A
    done
    ask "@$server" example.test TXT
    ask "@$server" example.test MX
    ask "@$server" -x "$srv4"
    ask "@$server" +tcp "$name" A
done

# HTTP: one connection per request, then keep-alive, then larger bodies
for ver in -4 -6; do
    for size in 64 512 1400 9000; do
        for _ in 1 2 3 4; do
            get "$ver" "http://$name/$size.txt"
        done
    done
    get "$ver" "http://$name/64.txt?n=[1-200]"
    get "$ver" "http://$name/{512,1400,9000}.txt?n=[1-6]"
    get "$ver" "http://$name/40000.txt"
    get "$ver" -I "http://$name/9000.txt"
    get "$ver" "http://$name/missing-[1-5].txt"         # 404
done
get -4 "http://$name/150000.txt"

# HTTPS: TLS 1.3 and 1.2, then keep-alive
for ver in -4 -6; do
    for size in 64 1400 9000; do
        get "$ver" "https://$name/$size.txt"
        get "$ver" --tls-max 1.2 "https://$name/$size.txt"
    done
    get "$ver" "https://$name/512.txt?n=[1-40]"
    get "$ver" "https://$name/40000.txt"
    get "$ver" "https://$name/missing.txt"              # 404
done

# iperf3: UDP in four sizes, TCP with common and with jumbo segments
perf "$srv4" -u -b 3M -l 18 -k 1000
perf "$srv6" -u -b 4M -l 64 -k 400
perf "$srv4" -u -b 10M -l 470 -k 250
perf "$srv4" -u -b 20M -l 1472 -k 120
perf "$srv4" -u -b 40M -l 8972 -k 20
perf "$srv4" -b 10M -M 1460 -l 16K -n 128K
perf "$srv6" -b 10M -M 1440 -l 16K -n 80K -R
perf "$srv4" -b 20M -l 16K -n 96K

# --- stop and keep the file only if nothing was lost ------------------------
sleep 2
kill -INT "$dump_pid"
wait "$dump_pid" || die "tcpdump failed: $(cat "$work/tcpdump.log")"
cat "$work/tcpdump.log"
grep -q '^0 packets dropped by kernel' "$work/tcpdump.log" ||
    die "tcpdump lost packets; run again"
cp "$work/real.pcap" "$out"
echo "wrote $out"

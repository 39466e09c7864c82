#!/bin/sh
# Installs the system packages that the tests' real peers need, as root or through sudo; otherwise names what is missing.
# Usage: scripts/install-test-packages.sh [PACKAGE…]
set -eu

if [ $# = 0 ]; then
    # ffmpeg: the host's own, next to the wheel's · nginx: RTMP server and TLS proxy · chromium: the preview page
    # openssh: settings that are sent to a server
    # debootstrap, systemd-container: a host with a real systemd, to deploy on
    # prometheus: promtool, which checks the alerts · sudo: visudo, which checks what a deploy account may do
    # gcc: a library that makes a disk hang · nats-server: what a fleet's hosts agree through · tmux: a terminal for the status table · procps, iproute2: ps and ss · the rest: scripts and fonts
    set -- ffmpeg nginx libnginx-mod-rtmp chromium chromium-driver tmux procps iproute2 shellcheck fonts-dejavu-core \
        openssh-server openssh-client debootstrap systemd-container prometheus sudo gcc libc6-dev nats-server
fi

if ! command -v dpkg-query >/dev/null; then
    echo "test packages: this is no Debian or Ubuntu; see to it yourself that these are there: $*" >&2
    exit 0
fi

missing=
for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root=sudo
else
    echo "test packages: missing:$missing" >&2
    echo "test packages: the tests that need them cannot pass; run: sudo apt install$missing" >&2
    exit 0
fi

echo "test packages: installing$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null

# The tests start nginx and sshd themselves; Debian's packages would start their own, on ports 80 and 22. A Prometheus
# would take port 9090 from a channel on this host, a NATS server port 4222.
if [ -d /run/systemd/system ]; then
    case " $missing " in *" nginx "*) $as_root systemctl disable --now nginx ;; esac
    case " $missing " in *" openssh-server "*) $as_root systemctl disable --now ssh ;; esac
    case " $missing " in *" prometheus "*) $as_root systemctl disable --now prometheus ;; esac
    case " $missing " in *" nats-server "*) $as_root systemctl disable --now nats-server ;; esac
fi

#!/bin/sh
# virtual-card.sh [DIR] -- COMMAND...
#
# Runs COMMAND with a sound card that is not there: real ALSA PCMs (the `pulse` plugin) backed by a private PulseAudio
# with two null sinks. They have a real clock, so real-time behaviour can be tested on a machine without sound hardware.
#
#   offhook        what a phone opens: plays into the sink `spk`, captures from the sink `mic`
#   offhook_loop   plays into `spk` and captures what `spk` plays: a loop without acoustics
#   offhook_spk, offhook_mic   the two directions of `offhook` by themselves
#
# From outside, with pulseaudio-utils:  parec -d spk.monitor …   records what the phone plays
#                                       paplay -d mic …          is what the phone hears
#
# Everything lies in DIR (a fresh temporary folder if none is given): home, sockets, log. Nothing of the user's own
# sound set-up is touched, several can run at once, root is fine.
# For COMMAND: ALSA_CONFIG_PATH, PULSE_SERVER, OFFHOOK_VIRTUAL_CARD (= DIR). Exit status is that of COMMAND; 77 when
# the sound server cannot run here (the usual "skipped").
set -eu

usage() { sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
own=
case "${1:-}" in
  --) dir=$(mktemp -d); own=$dir; shift ;;
  ""|-*) usage ;;
  *) dir=$1; shift; [ "${1:-}" = -- ] || usage; shift; mkdir -p "$dir"; dir=$(cd "$dir" && pwd) ;;
esac
[ $# -gt 0 ] || usage
command -v pulseaudio >/dev/null || { echo "virtual-card: pulseaudio is not installed (apt install pulseaudio libasound2-plugins)" >&2; exit 77; }
ls /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so >/dev/null 2>&1 ||
  { echo "virtual-card: ALSA's pulse plugin is not installed (apt install libasound2-plugins)" >&2; exit 77; }

mkdir -p -m 700 "$dir/run" "$dir/config"
socket=$dir/run/native
# norewinds: a null sink otherwise renders two seconds ahead and rewinds, which nothing here can measure against.
cat > "$dir/default.pa" <<PA
load-module module-native-protocol-unix socket=$socket auth-anonymous=1
load-module module-null-sink sink_name=spk rate=48000 channels=1 norewinds=1 sink_properties=device.description=spk
load-module module-null-sink sink_name=mic rate=48000 channels=1 norewinds=1 sink_properties=device.description=mic
set-default-sink spk
set-default-source mic.monitor
PA
cat > "$dir/asound.conf" <<CONF
</usr/share/alsa/alsa.conf>
pcm.offhook_spk { type pulse server "unix:$socket" device "spk" }
pcm.offhook_mic { type pulse server "unix:$socket" device "mic.monitor" }
pcm.offhook_echo { type pulse server "unix:$socket" device "spk.monitor" }
pcm.offhook { type asym playback.pcm "offhook_spk" capture.pcm "offhook_mic" }
pcm.offhook_loop { type asym playback.pcm "offhook_spk" capture.pcm "offhook_echo" }
ctl.offhook { type pulse server "unix:$socket" sink "spk" source "mic.monitor" }
CONF

server=
finish() {
  status=$?
  trap - EXIT
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  if [ -n "$own" ]; then rm -rf "$own"; fi
  exit $status
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# Ahead of ordinary work where the system allows that: a busy machine would leave gaps that are nobody's fault.
real_time=
if chrt -f 20 true 2>/dev/null; then real_time="chrt -f 20"; fi

HOME=$dir XDG_RUNTIME_DIR=$dir/run XDG_CONFIG_HOME=$dir/config \
  $real_time pulseaudio -n -F "$dir/default.pa" --daemonize=no --exit-idle-time=-1 --disable-shm=yes --use-pid-file=no \
  --log-target="file:$dir/pulse.log" --realtime=no --high-priority=no &
server=$!
waited=0
until [ -S "$socket" ]; do
  waited=$((waited + 1))
  if [ $waited -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
    echo "virtual-card: the sound server did not start, see $dir/pulse.log" >&2
    [ -z "$own" ] || tail -5 "$dir/pulse.log" >&2 || true
    exit 77
  fi
  sleep 0.05
done

export ALSA_CONFIG_PATH="$dir/asound.conf" PULSE_SERVER="unix:$socket" OFFHOOK_VIRTUAL_CARD="$dir"
"$@"

# What a mover's container runs: one restic job, and one JSON object about it for the tick (reconciler/results.py).
#
# POSIX sh with busybox's programs and restic 0.14 or later, nothing else. It is handed to the container as an argument.
# restic is always a child: as process 1 it would not be stopped by signals, and its locks could not be told from ours.
set -u
umask 077
export LC_ALL=C RESTIC_PROGRESS_FPS=1
unset RESTIC_HOST # from a Secret it would silently choose which snapshots exist

# A repository below the one that the Secret names; a slash at its end is not doubled.
if [ -n "${QUILL_REPOSITORY_PATH:-}" ]; then
    base=${RESTIC_REPOSITORY:-}
    while [ "$base" != "${base%/}" ]; do base=${base%/}; done
    export RESTIC_REPOSITORY="$base/$QUILL_REPOSITORY_PATH"
fi

action=${QUILL_ACTION:-} data=${QUILL_DATA:-/data} report=${QUILL_REPORT:-/dev/termination-log}
patience=${QUILL_PROBE_TIMEOUT:-60} allowance=${QUILL_TIMEOUT:-86400} grace=${QUILL_GRACE:-30} settling=${QUILL_SETTLE:-15}
phase=start repository='' snapshot='' numbers='' child='' interrupted='' warning='' noticed='' locks=''
code=0 late='' guess='' words=''
unfinished=.quill-restore-unfinished # in the root of a volume that is being filled

# --- awk: what all its programs share -------------------------------------------------------------------------------

# Secrets are read from the environment by awk itself: a command line is visible to others. The longest goes first, so
# that no part of it survives the replacement of a shorter one inside it.
shared='
BEGIN {
    for (rune = 1; rune < 256; rune++) ord[sprintf("%c", rune)] = rune
    control["n"] = "\n"; control["t"] = "\t"; control["r"] = "\r"; control["b"] = "\b"; control["f"] = "\f"
    for (variable in ENVIRON) inspect(variable, ENVIRON[variable])
}
function inspect(name, text,   count, line, i) {
    if (toupper(name) ~ /PASS|SECRET|KEY|TOKEN|CREDENTIAL|^(AZURE_ACCOUNT|B2|OS|ST)_/) {
        count = split(text, line, "\n")
        for (i = 1; i <= count; i++) learn(line[i])
    }
    if (match(text, /:\/\/[^\/:@]*:[^ ]*@/)) {
        text = substr(text, RSTART + 3, RLENGTH - 4)
        learn(substr(text, index(text, ":") + 1))
    }
}
# A secret is also known as restic writes it in JSON.
function learn(word,   written) {
    sub(/\r$/, "", word)
    remember(word)
    written = replace(replace(replace(escape(word), "&", "\\u0026"), "<", "\\u003c"), ">", "\\u003e")
    if (written != word) remember(written)
}
function remember(word,   i) {
    if (length(word) < 4) return
    for (i = ++secrets; i > 1 && length(secret[i - 1]) < length(word); i--) secret[i] = secret[i - 1]
    secret[i] = word
}
function replace(s, old, new,   at, out) {
    out = ""
    while (at = index(s, old)) { out = out substr(s, 1, at - 1) new; s = substr(s, at + length(old)) }
    return out s
}
function escape(s) { return replace(replace(s, "\\", "\\\\"), "\"", "\\\"") }
function redact(s,   i) {
    for (i = 1; i <= secrets; i++) s = replace(s, secret[i], "***")
    gsub(/:\/\/[^\/@ "]*:[^\/ "]*@/, "://***@", s)
    return s
}
# One line of valid UTF-8 without secrets and control characters, cut between two characters.
function clean(s, limit,   i, n, size, c, out) {
    s = redact(s)
    gsub(/\033\[[0-9;]*[A-Za-z]/, "", s)
    gsub(/[\001-\037\177]+/, " ", s)
    size = length(s)
    out = ""
    for (i = 1; i <= size; i += n) {
        n = width(s, i)
        c = n ? substr(s, i, n) : "?"
        if (!n) n = 1
        if (length(out) + length(c) > limit) return out
        out = out c
    }
    return out
}
# Bytes of the UTF-8 character at i, 0 when there is none.
function width(s, i,   c, n, k, byte, low, high) {
    c = ord[substr(s, i, 1)]
    if (c < 128) return 1
    if (c < 194 || c > 244) return 0
    n = c < 224 ? 2 : c < 240 ? 3 : 4
    low = c == 224 ? 160 : c == 240 ? 144 : 128
    high = c == 237 ? 159 : c == 244 ? 143 : 191
    for (k = 1; k < n; k++) {
        byte = ord[substr(s, i + k, 1)] + 0
        if (byte < low || byte > high) return 0
        low = 128; high = 191
    }
    return n
}
# JSON: parse(s) leaves every scalar in value[path], such as value["0.paths.1"]; strings keep their escapes until decode.
function parse(s,   count, part, i, inside, text) {
    split("", value); split("", key); split("", kind); split("", expected)
    depth = 0; bare = ""; inside = 0; text = ""
    count = split(s, part, "\"")
    for (i = 1; i <= count; i++) {
        if (!inside) { structure(part[i]); inside = 1; text = ""; continue }
        text = text part[i]
        if (match(part[i], /\\+$/) && RLENGTH % 2) { text = text "\""; continue }
        if (kind[depth] == "{" && !expected[depth]) key[depth] = text
        else value[path()] = text
        inside = 0
    }
}
function structure(s,   i, c) {
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "{" || c == "[") { depth++; kind[depth] = c; key[depth] = 0; expected[depth] = c == "[" }
        else if (c == ":") expected[depth] = 1
        else if (c == "," || c == "}" || c == "]") {
            if (bare != "") value[path()] = bare
            bare = ""
            if (c != ",") depth--
            else if (kind[depth] == "[") key[depth]++
            else expected[depth] = 0
        }
        else if (c !~ /[ \t\r\n]/) bare = bare c
    }
}
function path(   i, out) {
    out = key[1] ""
    for (i = 2; i <= depth; i++) out = out "." key[i]
    return out
}
function decode(s,   at, c, rune, out) {
    out = ""
    while (at = index(s, "\\")) {
        out = out substr(s, 1, at - 1)
        c = substr(s, at + 1, 1)
        s = substr(s, at + 2)
        if (c != "u") { out = out (c in control ? control[c] : c); continue }
        rune = hexadecimal(substr(s, 1, 4))
        s = substr(s, 5)
        if (rune >= 55296 && rune < 56320 && substr(s, 1, 2) == "\\u") {
            rune = 65536 + (rune - 55296) * 1024 + hexadecimal(substr(s, 3, 4)) - 56320
            s = substr(s, 7)
        }
        out = out utf8(rune)
    }
    return out s
}
# Seconds since 1970 of a time as restic writes it; a year begins in March here, so that a leap day ends it.
function epoch(s,   year, month, day, zone, offset) {
    year = substr(s, 1, 4) + 0; month = substr(s, 6, 2) + 0; day = substr(s, 9, 2) + 0
    if (month < 3) { year--; month += 12 }
    day += int((153 * (month - 3) + 2) / 5) + 365 * year + int(year / 4) - int(year / 100) + int(year / 400) - 719469
    zone = substr(s, 20)
    sub(/^\.[0-9]+/, "", zone)
    offset = zone ~ /^[-+]/ ? (substr(zone, 1, 1) "1") * (substr(zone, 2, 2) * 3600 + substr(zone, 5, 2) * 60) : 0
    return day * 86400 + substr(s, 12, 2) * 3600 + substr(s, 15, 2) * 60 + substr(s, 18, 2) - offset
}
function hexadecimal(s,   i, n) {
    n = 0
    for (i = 1; i <= 4; i++) n = n * 16 + index("123456789abcdef", tolower(substr(s, i, 1)))
    return n
}
function utf8(rune) {
    if (rune < 1) return ""
    if (rune < 128) return sprintf("%c", rune)
    if (rune < 2048) return sprintf("%c", 192 + int(rune / 64)) sprintf("%c", 128 + rune % 64)
    return (rune < 65536 ? sprintf("%c", 224 + int(rune / 4096)) \
        : sprintf("%c", 240 + int(rune / 262144)) sprintf("%c", 128 + int(rune / 4096) % 64)) \
        sprintf("%c", 128 + int(rune / 64) % 64) sprintf("%c", 128 + rune % 64)
}
'

# Copies what restic prints to the log and, at its end, writes what it came to, a line each: reason, message,
# whether a signal stopped it, numbers, snapshot. restic may print any amount: only a few lines of it are ever held.
listen='
BEGIN { proving = ENVIRON["QUILL_ACTION"] ~ /^(check|drill)$/ }
BEGIN { statistics = "files_new files_changed files_unmodified dirs_new dirs_changed dirs_unmodified data_blobs tree_blobs " \
    "data_added total_files_processed total_bytes_processed total_duration files_restored bytes_restored total_files total_bytes" }
/^\{.*"message_type": *"(verbose_)?status"/ { if (statuses++ % 60 == 0) print redact($0); next }
/^\{.*"struct_type": *"(snapshot|node)"/ { count_listed(); next } # of any number of files: not into the log
{ gsub(/\033\[[0-9;]*[A-Za-z]/, ""); print redact($0); fflush() }
proving { witness($0) }
/^\{.*"message_type": *"summary"/ { summary = $0; next }
/^\{.*"message_type": *"exit_error"/ {
    if (/context canceled/) next
    parse($0)
    fatal = decode(value["message"])
    fatal_reason = reason(fatal, 1)
    next
}
/^\{.*"message_type": *"error".*"during": *"scan"/ { next } # said again when it is saved
/^\{.*"message_type": *"error"/ {
    if (!other) other = reason($0, 0)
    if (++errors > 3) next
    parse($0)
    note(decode(value["item"]), "error.message" in value ? decode(value["error.message"]) : errno(value["error.Err"]))
    next
}
/^ignoring error for / { if (!other) other = reason($0, 0); if (++errors <= 3) note(substr($0, 20), ""); next }
/^((Fatal|panic|fatal error|runtime):|unable to create lock)/ && !/context canceled/ { fatal = $0; fatal_reason = reason($0, 1); more = 2; next }
/signal interrupt received/ { stopped = "yes"; next }
NF && more > 0 { more--; fatal = fatal " " $0; next }
/^\t|^(github\.com|golang\.org|runtime|main)[.\/]/ { next } # where in its source a restic before 0.17 was
/^total prune:/ { pruned = "\"blobs_pruned\":" $3 + 0 ",\"freed_bytes\":" bytes($6, $7) }
/^remaining:/ { pruned = pruned (pruned ? "," : "") "\"remaining_bytes\":" bytes($5, $6) }
NF { if (!other) other = reason($0, 0); before = last; last = $0 }
END {
    message = fatal ? fatal : errors ? "" : before (before && last ? " " : "") last
    if (errors) message = message (fatal ? "; " : "") errors (errors > 1 ? " errors: " : " error: ") items \
        (errors > 3 ? " and " (errors - 3) " more" : "") (detail ? ": " detail : "")
    parse(summary)
    count = split(statistics, statistic, " ")
    for (i = 1; i <= count; i++) if (value[statistic[i]] ~ /^[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$/)
        pruned = pruned (pruned ? "," : "") "\"" statistic[i] "\":" value[statistic[i]]
    if (listed) pruned = "\"total_files\":" nodes + 0 ",\"total_bytes\":" sprintf("%.0f", size)
    if (proving) judge()
    said = ENVIRON["QUILL_SAID"]
    if (fatal_reason == "EmptyVolume" && errors) fatal_reason = "PermissionDenied"
    print (fatal_reason ? fatal_reason : other) > said
    print clean(message, 1000) > said
    print stopped > said
    print pruned > said
    print (value["snapshot_id"] ~ /^[0-9a-f]+$/ ? value["snapshot_id"] : "") > said
}
function note(item, error) {
    items = items (items ? ", " : "") item
    if (!detail) detail = error
}
function errno(number) {
    return number == 13 || number == 1 ? "permission denied" : number == 5 ? "input/output error" : number ? "error number " number : ""
}
function bytes(number, unit,   i) {
    sub(/[^0-9.].*/, "", number)
    if (unit ~ /iB/) for (i = index("KMGTPE", substr(unit, 1, 1)); i > 0; i--) number *= 1024
    return sprintf("%.0f", number)
}
# Regular files and their bytes, as the summary of a snapshot has them. A quote within a name has a backslash before it.
function count_listed() {
    listed = 1
    if (!/"type": *"file"/) return
    nodes++
    if (match($0, /"size": *[0-9]+/)) size += substr($0, RSTART + 7, RLENGTH - 7)
}
# What a check or a restore says of the data. Some words prove damage. That something is missing is believed only where
# nothing was in the way: a list that a network cut short makes restic 0.14 miss packs, too.
function witness(s,   words, way) {
    words = tolower(s)
    if (words ~ /returned error, retrying after |^load\(.*\) failed: /) return
    way = reason(s, 0)
    if (words ~ /ciphertext verification failed|invalid data returned|(pack|blob) id does not match|header size does not match/ ||
        words ~ /unexpected (pack id|file size)|file is too short|not (found|contained) in (repository|index)|unknown blob/) proofs++
    else if (words ~ /pack [0-9a-f]+: does not exist/ ||
        words ~ /(streampack: |readfull\(|load(raw)?( <|\()|download error: ).*(no such file|not exist|not ?found|nosuchkey)/) missing++
    else if (words ~ /unexpected content in |invalid file size for |to be a regular file/) differing++
    else if (way) trouble = trouble ? trouble : way
    if (s ~ /^\{/ || !(proofs + missing + differing > seen)) return
    seen = proofs + missing + differing
    sub(/^ +/, "", s)
    if (seen < 4) testimony = testimony (testimony ? "; " : "") substr(s, 1, 250)
}
function judge() {
    if (proofs || (missing || gave_up_on_it && !other) && !trouble) fatal_reason = "RepositoryDamaged"
    else if (differing && !trouble) fatal_reason = "DrillFailed"
    if (testimony) message = testimony (seen > 3 ? " and " (seen - 3) " more" : "")
}
# Words about the repository are believed only where restic gave up over them. A refused key is said before a missing
# object ("the key you provided does not exist"), and so is a silent network: neither may look like an empty repository.
function reason(s, gave_up) {
    s = tolower(s)
    if (gave_up && s ~ /already locked/) return "RepositoryLocked"
    if (gave_up && s ~ /repository contains errors|loadindex returned errors/) gave_up_on_it = 1
    if (gave_up && s ~ /snapshot is empty/) return "EmptyVolume"
    if (gave_up && s ~ /wrong password or no key found/) return "WrongPassword"
    if (s ~ /no space left on device|disk quota exceeded|insufficient ?storage|quotaexceeded/) return "NoSpace"
    if (s ~ /access ?denied|forbidden|unauthorized|signature ?(we calculated|doesnotmatch)|access ?key ?id/) return "PermissionDenied"
    if (s ~ /permission denied|operation not permitted|authenticationfailed|invalid credentials/) return "PermissionDenied"
    if (s ~ /dial (tcp|udp|unix)|connection (refused|reset|timed out)|no such host|network is unreachable/) return "RepositoryUnreachable"
    if (s ~ /no route to host|i\/o timeout|tls: |x509: |deadline exceeded|unexpected eof|service unavailable/) return "RepositoryUnreachable"
    if (gave_up && s ~ /open config file|repository does not exist/)
        return s ~ /no such file|not exist|not ?found|nosuchkey|nosuchbucket|404/ ? "RepositoryNotFound" : "RepositoryUnreachable"
    return ""
}
'

# Which snapshot a restore takes. Says, a line each: how many (host, paths) fit the identity, the snapshot to take of the
# last of them, all that fit, all there are, how many hosts fit, and what the snapshot holds if it says so (0.17). "?" when
# what restic printed is no list.
choose='
{ text = text $0 "\n" }
END {
    if (text !~ /^[ \n]*(\[.*\]|null)[ \n]*$/) { print "?"; exit }
    parse(text)
    for (i = 0; (i ".id") in value; i++) {
        paths = ""
        for (k = 0; (i ".paths." k) in value; k++) paths = paths (k ? ", " : "") value[i ".paths." k]
        host = value[i ".hostname"] ""
        group = host " (" paths ")"
        fits = ENVIRON["QUILL_HOST"] == "" || (decode(host) "") == (ENVIRON["QUILL_HOST"] "")
        if (fits && (ENVIRON["QUILL_AS_OF"] == "" || epoch(value[i ".time"]) <= ENVIRON["QUILL_AS_OF"] + 0))
            taken[i] = epoch(value[i ".time"])
        if (group in seen) continue
        seen[group] = 1
        all = all (all ? ", " : "") decode(group)
        if (fits && !(host in fitted)) { fitted[host] = 1; hosts++ }
        if (fits) { count++; fitting = fitting (fitting ? ", " : "") decode(group) }
    }
    for (skip = ENVIRON["QUILL_PREVIOUS"] + 0; skip >= 0; skip--) {
        best = ""
        for (i in taken) if (best == "" || taken[i] > taken[best] || (taken[i] == taken[best] && i + 0 > best + 0)) best = i
        id = best == "" ? "" : value[best ".id"]
        bytes = best == "" ? "" : value[best ".summary.total_bytes_processed"]
        delete taken[best]
    }
    print count + 0; print id; print clean(fitting, 800); print clean(all, 800); print hosts + 0; print bytes
}
'

# What the newest snapshot of a list holds, "FILES BYTES ID" as restic 0.17 and later say it, else "id ID"; nothing for none.
# While a shrunken volume awaits a person's word, it is the newest from before it shrank.
counts='
{ text = text $0 }
END {
    parse(text)
    newest = -1
    for (i = 0; (i ".id") in value; i++) {
        if (ENVIRON["QUILL_HELD"] != "" && epoch(value[i ".time"]) >= ENVIRON["QUILL_HELD"] + 0) continue
        if (newest < 0 || epoch(value[i ".time"]) >= epoch(value[newest ".time"])) newest = i
    }
    if (newest < 0) exit
    if ((newest ".summary.total_bytes_processed") in value)
        print value[newest ".summary.total_files_processed"], value[newest ".summary.total_bytes_processed"], \
            value[newest ".id"]
    else print "id " value[newest ".id"]
}
'

# A lock as the tick wants to know it; nothing for what does not look like one.
describe='
{ text = text $0 }
END {
    parse(text)
    host = clean(decode(value["hostname"]), 63)
    if (host == "" || value["time"] !~ /^[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+(\.[0-9]+)?(Z|[-+][0-9]+:[0-9]+)$/) exit
    printf "{\"id\":\"%s\",\"host\":\"%s\",\"pid\":%d,\"time\":\"%s\",\"exclusive\":%s}", \
        ENVIRON["QUILL_LOCK"], escape(host), value["pid"], value["time"], value["exclusive"] == "true" ? "true" : "false"
}
'

# Who holds a lock that another host has not renewed for so long that restic unlock would soon take it for a dead one's.
neglected='
{ text = text $0 }
END {
    parse(text)
    host = clean(decode(value["hostname"]), 63)
    if (host != ENVIRON["QUILL_LOCK_HOST"] && now - epoch(value["time"]) > 1500) print host, "since", clean(value["time"], 40)
}
'

# --- reporting ------------------------------------------------------------------------------------------------------

# Truncates the file in place: a kubelet's termination log can be neither replaced nor removed.
write() { { printf '%s' "$1" >"$report"; } 2>/dev/null || :; }

# A killed container says in which phase it was.
mark() {
    phase=$1
    write "{\"result\":\"Unfinished\",\"phase\":\"$phase\"${repository:+,\"repositoryID\":\"$repository\"}}"
}

# finish EXITCODE RESULT [REASON MESSAGE]: the report, short fields first since kubelet may cut it.
finish() {
    message='' room=1000
    [ -z "$locks" ] || room=600
    [ -z "${4:-}" ] || message=$(QUILL_MESSAGE=$4 awk -v room="$room" "$shared"'BEGIN { printf "%s", escape(clean(ENVIRON["QUILL_MESSAGE"], room)) }')
    text="{\"result\":\"$2\"${3:+,\"reason\":\"$3\"},\"phase\":\"$phase\"${repository:+,\"repositoryID\":\"$repository\"}"
    text="$text${snapshot:+,\"snapshotID\":\"$snapshot\"}${message:+,\"message\":\"$message\"}${locks:+,\"locks\":[$locks]}${numbers:+,\"summary\":{$numbers\}}}"
    write "$text"
    printf '%s\n' "$text"
    [ -z "${work:-}" ] || rm -rf "$work"
    exit "$1"
}

fail() {
    case $1 in
        PartialBackup) finish 3 Failed "$@" ;;
        RepositoryNotFound) finish 10 Failed "$@" ;;
        RepositoryLocked) finish 11 Failed "$@" ;;
        WrongPassword) finish 12 Failed "$@" ;;
        Timeout) finish 124 Failed "$@" ;;
        Interrupted) finish 130 Failed "$@" ;;
        *) finish 1 Failed "$@" ;;
    esac
}

give_up() {
    explain
    find_locks
    fail "$why" "$words"
}

# Sets why, and completes words, from the last run: its exit code (told apart since 0.17), else what it said.
explain() {
    why=${guess:-MoverFailed}
    case $code in
        10) why=RepositoryNotFound ;;
        11) why=RepositoryLocked ;;
        12) why=WrongPassword ;;
    esac
    if [ -n "$interrupted" ]; then
        why=Interrupted words="the mover was told to stop${words:+; $words}"
    elif [ -n "$late" ]; then
        why=Timeout words="restic $command was stopped after $limit seconds${words:+; $words}"
        case $phase in probe | init) why=RepositoryUnreachable ;; esac
    elif [ "$code" -eq 137 ]; then
        words="restic $command was killed, perhaps for want of memory${words:+; $words}"
    elif [ -z "$words" ]; then
        words="restic $command ended with code $code and said nothing"
    fi
}

# --- running restic -------------------------------------------------------------------------------------------------

# INT, because restic 0.14 leaves its lock behind on TERM. Again every second, because a shell starts its children with
# INT ignored: one sent before restic listens is lost. And to the group that GNU's timeout makes (busybox's becomes restic
# itself): it passes on only the first, and may die of it before it knows its child.
interrupt() {
    interrupted=yes
    [ -z "$child" ] || insist "$child" >/dev/null 2>&1 4<&- 5>&- &
}

insist() {
    while kill -INT "$1" || kill -INT "-$1"; do
        kill -INT "-$1"
        sleep 1
    done
}
trap interrupt TERM INT

# A signal ends `wait`, not the child; one that ends right then is asked for its own code, if nobody was told it yet.
await() {
    while wait "$1"; code=$?; kill -0 "$1" 2>/dev/null; do :; done
    [ -n "$interrupted" ] || return 0
    wait "$1"
    set -- "$?"
    [ "$1" -eq 127 ] || code=$1
}

# run SECONDS FILE ARGUMENT...: restic with a time limit. Its standard output goes to FILE, or with "-" where its standard
# error goes too: to the log. Sets code, late, guess, words, numbers and snapshot, the last two only if it told any.
run() {
    limit=$1 output=$2 command=$3 late='' guess='' words='' code=130
    shift 2
    [ -z "$interrupted" ] || return "$code"
    rm -f "$work/said"
    # Both ends of the pipe are open before either child begins: one that is killed at once cannot leave the other waiting.
    exec 3<>"$work/pipe" 4<"$work/pipe" 5>"$work/pipe" 3>&-
    QUILL_SAID=$work/said awk "$shared$listen" <&4 4<&- 5>&- &
    listener=$!
    began=$(date +%s)
    if [ "$output" = - ]; then
        timeout -k "$grace" -s INT "$limit" restic "$@" </dev/null >&5 2>&1 4<&- 5>&- &
    else
        timeout -k "$grace" -s INT "$limit" restic "$@" </dev/null >"$output" 2>&5 4<&- 5>&- &
    fi
    child=$!
    exec 4<&- 5>&-
    [ -z "$interrupted" ] || interrupt
    await "$child"
    child='' result=$code
    await "$listener"
    code=$result
    spent=$(($(date +%s) - began))
    {
        IFS= read -r guess && IFS= read -r words && IFS= read -r stopped && IFS= read -r told && IFS= read -r saved
    } <"$work/said" || return 1 # awk itself was killed
    # busybox's timeout, unlike GNU's, has no exit code of its own, and restic's is not always 130.
    if [ "$spent" -ge "$limit" ] && [ "$code" -ne 0 ] && { [ -n "$stopped" ] || [ "$code" -ge 124 ]; }; then late=yes; fi
    numbers=${told:-$numbers} snapshot=${saved:-$snapshot}
    return "$code"
}

# The same for the action itself, whose runs share one allowance.
work_on() {
    rest=$((deadline - $(date +%s)))
    if [ "$rest" -lt 1 ]; then rest=1; fi
    run "$rest" "$@"
}

# Waiting for the lock of another mover (0.16), and holes in restored files (0.15): where restic can.
find_options() {
    locking='' sparse='' verb=$action
    [ "$action" != drill ] || verb=restore
    run "$patience" "$work/help" "$verb" --help || return 0
    seconds=$((allowance / 2))
    if [ "$seconds" -gt 600 ]; then seconds=600; fi
    if grep -q -e --retry-lock "$work/help"; then locking="--retry-lock=${seconds}s"; fi
    if grep -q -e --sparse "$work/help"; then sparse=--sparse; fi
}

# --- the repository -------------------------------------------------------------------------------------------------

probe() {
    mark probe
    ask_config || find_key || return 1
    repository=$(awk "$shared"'{ text = text $0 } END { parse(text); if (value["id"] ~ /^[0-9a-f]+$/) print value["id"] }' "$work/config")
    [ -n "$repository" ] || fail MoverFailed "restic cat config printed no repository id; $words"
}

ask_config() { run "$patience" "$work/config" cat config --no-lock --json; }

# Of two movers that made a repository at once each left a key, one of which opens nothing, and with bad luck it is the
# one that restic tries. A key hint, the beginning of its name, makes restic try the other. Nothing is removed for that reason:
# no key, and nothing by prune, since the useless key might be the one of older data.
find_key() {
    case $action,$words in
        prune,*) return 1 ;;
        *,*"config or key "*" is damaged"*) ;;
        *) return 1 ;;
    esac
    stray=${words#*config or key } stray=${stray%% *}
    for start in '' "${stray%"${stray#?}"}"; do
        for digit in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
            export RESTIC_KEY_HINT="$start$digit"
            if ask_config; then return 0; fi
        done
    done
    unset RESTIC_KEY_HINT
    ask_config
}

open_repository() {
    probe && return
    explain
    # One that has gone is not made anew: an empty one in its place would pass for it.
    case ${QUILL_REPOSITORY:-},$why in
        ?*,RepositoryNotFound | ?*,RepositoryUnreachable) fail "$why" "the last run found repository $QUILL_REPOSITORY here; if a new one is meant, run restic init first; $words" ;;
    esac
    # With a missing bucket on S3 the probe hangs, yet init makes the bucket.
    case $action,$why,$late in
        backup,RepositoryNotFound,* | backup,RepositoryUnreachable,yes) initialise ;;
        # A web server that has lost its route says the same as one without a repository.
        *,RepositoryNotFound,*) case ${RESTIC_REPOSITORY:-} in rest:*) fail "$why" "$words" ;; *) not_there "$why" "$words" ;; esac ;;
        *) fail "$why" "$words" ;;
    esac
}

# restic makes a repository without a lock, and replaces one that another mover made in the same second: what that one saved
# in it would be lost. So all of them wait until nobody can be in between, and take what is there then.
initialise() {
    mark init
    run "$patience" - init --json
    explain
    ended=$code reason=$why said=$words
    [ -z "$interrupted$late" ] || give_up
    sleep "$settling" &
    await "$!"
    probe && return
    explain
    case $ended,$why in
        0,* | *,WrongPassword) fail "$why" "$words" ;;
    esac
    phase=init
    case $reason in
        MoverFailed | RepositoryNotFound) reason=RepositoryUnreachable ;;
    esac
    fail "$reason" "$said"
}

# --- its locks ------------------------------------------------------------------------------------------------------

lock_id='[0-9a-f]\{64\}'

# After an action that could not lock it: who does, as far as the report has room for them.
find_locks() {
    [ "$why" = RepositoryLocked ] || return 0
    said=$words
    if run "$patience" "$work/ids" list locks --no-lock; then
        for lock in $(grep -x "$lock_id" "$work/ids" | head -n 6); do
            run "$patience" "$work/lock" cat lock "$lock" --no-lock || continue
            found=$(QUILL_LOCK=$lock awk "$shared$describe" "$work/lock")
            locks="$locks${found:+${locks:+,}$found}"
        done
    fi
    words=$said
}

# Whether the lock is there.
holds() {
    work_on "$work/ids" list locks --no-lock || give_up
    grep -q -x -F -e "$1" "$work/ids"
}

# Plain unlock removes the locks of its own host whose process is gone. This pod has the name of a dead mover, so these
# are that one's. It also removes what nobody has renewed for half an hour: for a lock that is not known to be a dead
# mover's, nothing is removed at all.
unlock() {
    mark unlock
    QUILL_LOCK_HOST=$(uname -n)
    export QUILL_LOCK_HOST
    if ! holds "${QUILL_LOCKS%% *}"; then
        warning="the lock of $QUILL_LOCK_HOST was there no more"
        return 0
    fi
    spare_others
    pass_by "${QUILL_LOCK_PID:-0}"
    work_on - unlock || give_up
    if holds "${QUILL_LOCKS%% *}"; then fail LockNotRemoved "restic unlock left the lock of $QUILL_LOCK_HOST where it is"; fi
    warning="removed the lock of $QUILL_LOCK_HOST"
}

spare_others() {
    for lock in $(grep -x "$lock_id" "$work/ids"); do
        case " $QUILL_LOCKS " in *" $lock "*) continue ;; esac
        if ! work_on "$work/lock" cat lock "$lock" --no-lock; then
            explain
            reason=$why said=$words
            if holds "$lock"; then fail "$reason" "$said"; fi
            continue # its holder has just removed it
        fi
        other=$(awk -v now="$(date +%s)" "$shared$neglected" "$work/lock")
        [ -z "$other" ] || fail LockNotRemoved "restic unlock would also remove the lock of $other, which is not a mover of Quill"
    done
}

# restic takes a process for alive if any here has its number, be it a thread of restic itself. Numbers are given out in
# order, so restic is started when that of the dead one has gone by.
pass_by() {
    last=0
    while [ "$last" -le "$1" ]; do
        : &
        last=$!
        wait "$last"
        [ $(($1 - last)) -lt 1000 ] || return 0
    done
}

# --- the actions ----------------------------------------------------------------------------------------------------

backup() {
    [ -n "${QUILL_HOST:-}" ] || fail MoverFailed "QUILL_HOST is not set"
    cd "$data" 2>/dev/null || fail PermissionDenied "cannot enter $data"
    set -- backup --json --host "$QUILL_HOST" ${locking:+"$locking"}
    if [ "${QUILL_IGNORE_INODE:-}" = true ]; then set -- "$@" --ignore-inode; fi
    # ext4's own, for root only: it must not make every backup of a block volume a partial one.
    if [ -d lost+found ] && ! ls lost+found/ >/dev/null 2>&1; then set -- "$@" --exclude "$PWD/lost+found"; fi
    if [ -e "$unfinished" ]; then set -- "$@" --exclude "$PWD/$unfinished"; fi
    [ "${QUILL_GUARD:-Off}" = Off ] || guard
    mark backup
    work_on - "$@" .
    case $code,$interrupted$late,$snapshot in 3,,* | 3,*,?*) withdraw ;; esac
    [ "$code" -eq 0 ] || give_up
    [ -n "$snapshot" ] || fail MoverFailed "restic backup told of no snapshot; $words"
    [ -z "${QUILL_RETAIN:-}" ] || [ -n "$warning" ] || forget
}

# What could not be read would be missing from the newest snapshot: a restore would take it, and retention keep it.
withdraw() {
    unread=$words counted=$numbers made=$snapshot kept=''
    # When it is time to stop there is still the grace period.
    [ -z "$interrupted$late" ] || interrupted='' deadline=$(($(date +%s) + grace))
    if [ -n "$made" ]; then
        if ! work_on - forget "$made" ${locking:+"$locking"}; then
            kept=$made unread="$unread; the snapshot stayed: $words"
            explain
            find_locks
        fi
    fi
    numbers=$counted snapshot=$kept interrupted='' late=''
    fail PartialBackup "$unread"
}

# An empty volume is more often an accident than a wish: it is compared with its last snapshot before it becomes the newest.
guard() {
    mark guard
    set -- snapshots --json --no-lock --host "$QUILL_HOST" --path "$PWD"
    if [ -z "${QUILL_HELD:-}" ]; then set -- "$@" --latest 1; fi
    work_on "$work/snapshots" "$@" || give_up
    held=$(awk "$shared$counts" "$work/snapshots")
    set -- ! -type d
    case $held in
        '') return 0 ;;
        'id '*)
            work_on "$work/stats" stats --mode restore-size --no-lock --json "${held#id }" || give_up
            held=$(awk "$shared"'{ text = text $0 } END { parse(text); print value["total_file_count"], value["total_size"] }' "$work/stats")
            set -- ! -path . # these counts have the directories
            ;;
    esac
    files=$(find . -xdev -path ./lost+found -prune -o "$@" -print 2>"$work/unseen" | wc -l)
    [ ! -s "$work/unseen" ] || return 0 # what cannot be counted cannot be read either, and restic says so
    bytes=$(find . -xdev -path ./lost+found -prune -o -type f -exec stat -c %s {} + | awk '{ sum += $1 } END { printf "%.0f", sum }')
    verdict=$(awk -v now="$files $bytes" -v then="$held" -v least="${QUILL_MIN_PERCENT:-10}" 'BEGIN {
        split(now, n, " "); split(then, t, " ")
        if (n[1] * 100 < t[1] * least || n[2] * 100 < t[2] * least)
            printf "the volume holds %d files and %.0f bytes, its last snapshot %d and %.0f", n[1], n[2], t[1], t[2]
    }')
    [ -n "$verdict" ] || return 0
    [ "$QUILL_GUARD" = Warn ] || fail VolumeShrunk "$verdict"
    noticed=VolumeShrunk warning="$verdict; no snapshot was forgotten"
}

# Only after a good backup, only for this host and path. That it failed does not make the backup a failure.
forget() {
    mark forget
    counted=$numbers made=$snapshot
    # QUILL_RETAIN is made of checked numbers and meant to be several words.
    # shellcheck disable=SC2086
    set -- forget --json --host "$QUILL_HOST" --path "$PWD" --group-by host,paths $QUILL_RETAIN ${locking:+"$locking"}
    if ! work_on "$work/forgotten" "$@"; then
        explain
        find_locks
        warning="its old snapshots were not forgotten: $why: $words"
    else
        counted="$counted,$(awk "$shared"'{ text = text $0 } END {
            parse(text)
            while (("0.keep." kept + 0 ".short_id") in value) kept++
            while (("0.remove." gone + 0 ".short_id") in value) gone++
            printf "\"snapshots_kept\":%d,\"snapshots_removed\":%d", kept, gone
        }' "$work/forgotten")"
    fi
    numbers=$counted snapshot=$made
}

# Before the repository is asked: what an application has written is not replaced by a run that nobody asked for. What the
# marker stands beside is of such a run that did not come to its end, and nobody's yet. Folders are no data: file systems and
# file servers begin with some of their own.
spare_data() {
    mark start
    [ ! -e "$data/$unfinished" ] || return 0
    found=$(cd "$data" 2>"$work/unseen" && find . \( -path ./lost+found -o -path ./.snapshot \) -prune -o ! -type d -print 2>"$work/unseen" | head -n 1)
    [ -z "$found" ] || leave_as_it_is "the volume already holds data; quill sync or a new spec.trigger.manual restores over it"
    [ ! -s "$work/unseen" ] || fail PermissionDenied "cannot list $data, so it may hold data: nothing was restored"
}

restore() {
    choose_snapshot
    mark fit
    ! is_too_large || fail DoesNotFit "snapshot $(printf %.8s "$chosen") holds $held bytes, the whole volume takes $room; set spec.restic.capacity or the size of spec.restic.destinationPVC to more than $held"
    mark restore
    if [ "${QUILL_ONLY_EMPTY:-}" = true ] && [ ! -e "$data/$unfinished" ]; then
        { echo "restic restores $chosen into this volume" >"$data/$unfinished"; } 2>/dev/null || fail PermissionDenied "cannot write to $data"
    fi
    work_on - restore "$chosen" --json --target "$data" ${sparse:+"$sparse"} ${locking:+"$locking"} || give_up
    rm -f "$data/$unfinished" 2>/dev/null || fail PermissionDenied "all is restored, but $data/$unfinished cannot be removed"
    snapshot=$chosen
    [ -z "$numbers" ] || return 0
    # Before 0.17 a restore counts nothing. What it was is nice to know, not worth failing for.
    [ -s "$work/stats" ] || run "$patience" "$work/stats" stats --mode restore-size --no-lock --json "$chosen" || return 0
    numbers=$(awk "$shared"'{ text = text $0 } END {
        parse(text); files = value["total_file_count"]; bytes = value["total_size"]
        if (files ~ /^[0-9]+$/ && bytes ~ /^[0-9]+$/) printf "\"total_files\":%s,\"total_bytes\":%s", files, bytes
    }' "$work/stats")
}

# Whether the snapshot cannot fit, beyond doubt. Only ext and XFS are judged, where a byte takes a byte, and by their whole
# size, since a restore may replace what is there. What a snapshot holds counts a file once for each hard link, `stats` does not;
# both count holes, which restic leaves out where it can: then every different piece of data must be too much in itself.
is_too_large() {
    room=$(stat -f -c '%t %b %S' "$data" 2>/dev/null | awk '$1 == "ef53" || $1 == "58465342" { printf "%.0f", $2 * $3 }')
    [ -n "$room" ] || return 1
    [ -z "$held" ] || exceeds "$held" || return 1
    work_on "$work/stats" stats --mode restore-size --no-lock --json "$chosen" || { rm -f "$work/stats"; return 1; }
    held=$(awk "$shared"'{ text = text $0 } END { parse(text); print value["total_size"] }' "$work/stats")
    exceeds "$held" || return 1
    [ -n "$sparse" ] || return 0
    work_on "$work/pieces" stats --mode raw-data --no-lock --json "$chosen" || return 1
    exceeds "$(awk "$shared"'{ text = text $0 } END {
        parse(text)
        print ("total_uncompressed_size" in value) ? value["total_uncompressed_size"] : value["total_size"]
    }' "$work/pieces")"
}

exceeds() { awk -v bytes="$1" -v room="$room" 'BEGIN { exit !(bytes ~ /^[0-9]+$/ && bytes + 0 > room + 0) }'; }

choose_snapshot() {
    mark snapshots
    set -- snapshots --json --no-lock
    if [ "${QUILL_PREVIOUS:-0}" = 0 ] && [ -z "${QUILL_AS_OF:-}" ]; then set -- "$@" --latest 1; fi
    work_on "$work/snapshots" "$@" || give_up
    awk "$shared$choose" "$work/snapshots" >"$work/chosen"
    { IFS= read -r count && IFS= read -r chosen && IFS= read -r fitting && IFS= read -r all && IFS= read -r hosts && IFS= read -r held; } <"$work/chosen"
    case $count in
        '?') fail MoverFailed "restic snapshots printed no list; $words" ;;
        0) not_there SnapshotNotFound "no snapshot${QUILL_HOST:+ of $QUILL_HOST}; the repository has ${all:-none}" ;;
        1) [ -n "$chosen" ] || fail SnapshotNotFound "$fitting has no snapshot that early" ;;
        *)
            [ "$hosts" -gt 1 ] || fail AmbiguousIdentity "several paths were saved under one host: $fitting"
            fail AmbiguousIdentity "set spec.restic.identity to one of: $fitting"
            ;;
    esac
}

# Only what is surely not there may be taken for nothing to restore.
not_there() {
    [ "$action,${QUILL_ON_MISSING:-Fail}" = restore,Empty ] && [ ! -e "$data/$unfinished" ] || fail "$@"
    leave_as_it_is "$2"
}

leave_as_it_is() {
    numbers='"total_files":0,"total_bytes":0'
    finish 0 Successful '' "nothing was restored: $1"
}

prune() {
    mark prune
    work_on - prune ${locking:+"$locking"} || give_up
}

check() {
    mark check
    set -- check ${locking:+"$locking"}
    if [ -n "${QUILL_SUBSET:-}" ]; then
        set -- "$@" "--read-data-subset=$QUILL_SUBSET"
        numbers="\"subset\":${QUILL_SUBSET%/*},\"subsets\":${QUILL_SUBSET#*/}"
    fi
    work_on - "$@" || give_up
}

# The newest snapshot of this source, as a restore would take it, into a new volume that is deleted afterwards.
drill() {
    [ -n "${QUILL_HOST:-}" ] || fail MoverFailed "QUILL_HOST is not set"
    cd "$data" 2>/dev/null || fail PermissionDenied "cannot enter $data"
    mark snapshots
    work_on "$work/snapshots" snapshots --json --no-lock --latest 1 --host "$QUILL_HOST" --path "$PWD" || give_up
    [ "$guess" != RepositoryDamaged ] || give_up # restic 0.14 leaves out what it cannot read
    held=$(awk "$shared$counts" "$work/snapshots")
    [ -n "$held" ] || fail SnapshotNotFound "no snapshot of $QUILL_HOST ($PWD)"
    chosen=${held##* }
    mark drill
    work_on - restore "$chosen" --verify --json --target "$PWD" ${sparse:+"$sparse"} ${locking:+"$locking"} || ask_check
    snapshot=$chosen
    case $held in
        'id '*)
            work_on - ls --json --no-lock "$chosen" || give_up
            held=$(printf '%s' "$numbers" | sed 's/[^0-9,]//g; s/,/ /')
            ;;
        *) held=${held% *} ;;
    esac
    compare
}

# A pack that was cut off looks to a restore of restic 0.14 like a network that was. A check compares sizes.
ask_check() {
    explain
    reason=$why said=$words
    case $why,$words in
        MoverFailed,* | RepositoryUnreachable,*EOF*)
            work_on - check --no-lock || explain
            [ "$why" != RepositoryDamaged ] || fail "$why" "$words; $said"
            ;;
    esac
    fail "$reason" "$said"
}

# Regular files, as a snapshot counts them; not those in a lost+found that is the new file system's own.
compare() {
    mark compare
    set --
    if [ -d lost+found ] && ! ls lost+found/ >/dev/null 2>&1; then set -- -path ./lost+found -prune -o; fi
    found=$(find . -xdev "$@" -type f -exec stat -c %s {} + 2>"$work/unseen" |
        awk '{ files++; bytes += $1 } END { printf "%d %.0f", files, bytes }')
    numbers="\"total_files\":${found% *},\"total_bytes\":${found#* }"
    if [ -s "$work/unseen" ]; then
        warning="not all of it could be counted: $(head -n 1 "$work/unseen")"
    elif [ "$found" != "$held" ]; then
        fail DrillFailed "restored ${found% *} files of ${found#* } bytes, the snapshot has ${held% *} of ${held#* }"
    fi
}

start() {
    case $action in
        backup | restore | prune | check | drill | unlock) ;;
        *) fail MoverFailed "QUILL_ACTION is '$action', not backup, restore, prune, check, drill or unlock" ;;
    esac
    work=$(mktemp -d "${TMPDIR:-/tmp}/mover.XXXXXX") || fail MoverFailed "cannot write to ${TMPDIR:-/tmp}"
    mkfifo "$work/pipe" || fail MoverFailed "cannot make a pipe in ${TMPDIR:-/tmp}"
    case $action,${QUILL_ONLY_EMPTY:-} in restore,true) spare_data ;; esac
    open_repository
    find_options
    deadline=$(($(date +%s) + allowance))
    case $action in
        backup) backup ;;
        restore) restore ;;
        prune) prune ;;
        check) check ;;
        drill) drill ;;
        unlock) unlock ;;
    esac
    phase=$action
    finish 0 Successful "$noticed" "$warning"
}

start

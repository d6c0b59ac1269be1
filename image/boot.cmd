# Chooses the slot: the first of BOOT_ORDER that has tries left, and takes one of them. The running system gives them back
# when it is content (offhook-confirm). The environment is one sector with a checksum, written whole.
# Compiled by mkimage -T script; ${devtype} and ${devnum} are where U-Boot found it.
setenv env_at
part start ${devtype} ${devnum} env env_at
setenv BOOT_ORDER
setenv BOOT_A_LEFT
setenv BOOT_B_LEFT
setenv TRIAL
if ${devtype} dev ${devnum}; then true; fi
if ${devtype} read ${scriptaddr_env} ${env_at} 1; then
    env import -c ${scriptaddr_env} 0x200 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT TRIAL
fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3
setenv slot
for candidate in "${BOOT_ORDER}"; do
    if test "x${slot}" != "x"; then
        true
    elif test "x${candidate}" = "xA"; then
        if test ${BOOT_A_LEFT} -gt 0; then
            setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
            setenv slot A
            setenv slot_kernel kernel-a
        fi
    elif test "x${candidate}" = "xB"; then
        if test ${BOOT_B_LEFT} -gt 0; then
            setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
            setenv slot B
            setenv slot_kernel kernel-b
        fi
    fi
done
if test "x${slot}" = "x"; then
    echo "Offhook: no tries left; giving both slots three more"
    setenv BOOT_A_LEFT 3
    setenv BOOT_B_LEFT 3
fi
env export -c -s 0x200 ${scriptaddr_env} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT TRIAL
${devtype} write ${scriptaddr_env} ${env_at} 1
if test "x${slot}" = "x"; then
    reset
fi
echo "Offhook: slot ${slot} (order ${BOOT_ORDER}, left A ${BOOT_A_LEFT}, B ${BOOT_B_LEFT})"
part number ${devtype} ${devnum} ${slot_kernel} slot_part
# The slot brings its own arguments: they belong to its kernel.
if load ${devtype} ${devnum}:${slot_part} ${scriptaddr_env} arguments; then
    env import -t ${scriptaddr_env} ${filesize} arguments
    setenv bootargs "${arguments} rauc.slot=${slot}"
    if load ${devtype} ${devnum}:${slot_part} ${kernel_at} kernel; then
        if load ${devtype} ${devnum}:${slot_part} ${initrd_at} initrd; then
            booti ${kernel_at} ${initrd_at}:${filesize} ${fdt_addr}
        fi
    fi
fi
echo "Offhook: slot ${slot} does not start"
reset

//! The Buildroot external tree: that it says the same as the image of Debian parts, and, where a checkout of Buildroot is at
//! hand (`BUILDROOT_DIR`), that Buildroot takes every line of it.

use super::root;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each configuration, and the folder in `board/` that it is for.
const CONFIGS: [(&str, &str); 3] = [
    ("offhook_raspberrypi4_64", "rpi4-handset"),
    ("offhook_raspberrypizero2w_64", "rpi-zero2w-handset"),
    ("offhook_raspberrypi3_64", "rpi3-handset"),
];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Option and value; `n` for one that is switched off.
fn options(config: &str) -> BTreeMap<String, String> {
    let path = format!("buildroot/configs/{config}_defconfig");
    let mut options = BTreeMap::new();
    for line in read(&path).lines().filter(|line| !line.is_empty()) {
        let off = line.strip_prefix("# ").and_then(|line| line.strip_suffix(" is not set"));
        let (name, value) = match off {
            Some(name) => (name, "n"),
            None if line.starts_with('#') => continue,
            None => line.split_once('=').unwrap_or_else(|| panic!("{path}: {line:?} is no option")),
        };
        assert!(name.starts_with("BR2_"), "{path}: {line:?}");
        let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
        assert!(value == "y" || value == "n" || quoted, "{path}: {line:?}");
        assert!(options.insert(name.to_owned(), value.to_owned()).is_none(), "{path}: {name} twice");
    }
    options
}

#[test]
fn the_package_has_the_version_of_the_workspace_and_the_licences_as_they_are() {
    let package = read("buildroot/package/offhook/offhook.mk");
    let version = package.lines().find_map(|line| line.strip_prefix("OFFHOOK_VERSION = ")).unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"), "OFFHOOK_VERSION in offhook.mk");
    let hashes = read("buildroot/package/offhook/offhook.hash");
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let output = Command::new("sha256sum").arg(file).current_dir(root()).output().unwrap();
        let sum = String::from_utf8(output.stdout).unwrap();
        let line = format!("sha256  {}  {file}", sum.split_whitespace().next().unwrap());
        assert!(hashes.lines().any(|it| it == line), "offhook.hash lacks: {line}");
    }
}

#[test]
fn every_configuration_is_for_a_board_that_has_an_image() {
    for (config, board) in CONFIGS {
        let options = options(config);
        assert_eq!(options["BR2_ROOTFS_POST_SCRIPT_ARGS"], format!("\"{board}\""), "{config}");
        assert!(root().join("board").join(board).join("board.toml").is_file(), "{board}");
        let facts = read(&format!("board/{board}/image.conf"));
        for fact in ["ARCH=arm64", "FIRMWARE=raspi"] {
            assert!(facts.lines().any(|line| line == fact), "board/{board}/image.conf does not say {fact}");
        }
    }
    let found = std::fs::read_dir(root().join("buildroot/configs")).unwrap().count();
    assert_eq!(found, CONFIGS.len(), "a configuration in buildroot/configs that no test knows");
}

#[test]
fn files_that_a_configuration_names_are_there() {
    for (config, _) in CONFIGS {
        for (name, value) in options(config) {
            for word in value.trim_matches('"').split(' ') {
                let Some(path) = word.strip_prefix("$(BR2_EXTERNAL_OFFHOOK_PATH)/") else { continue };
                // cross/release-tarball writes it.
                if path == "../target/release/patches" {
                    continue;
                }
                assert!(root().join("buildroot").join(path).exists(), "{config}: {name} names {path}");
            }
        }
    }
}

#[test]
fn the_boards_differ_in_processor_tree_and_firmware_only() {
    let all = CONFIGS.map(|(config, _)| options(config));
    let may_differ = |name: &str| {
        ["BR2_cortex_", "BR2_PACKAGE_RPI_FIRMWARE_", "BR2_LINUX_KERNEL_INTREE_DTS_NAME", "BR2_ROOTFS_POST_SCRIPT_ARGS"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    for other in &all[1..] {
        let names: BTreeSet<&String> = all[0].keys().chain(other.keys()).collect();
        for name in names {
            assert!(may_differ(name) || all[0].get(name) == other.get(name), "{name} differs between the boards");
        }
    }
}

/// What of the Debian image's packages is which option here. Libraries come with what needs them.
const PACKAGES: [(&str, &str); 21] = [
    ("busybox-static", "BR2_PACKAGE_BUSYBOX_CONFIG_FRAGMENT_FILES"),
    ("systemd", "BR2_INIT_SYSTEMD"),
    ("kmod", "BR2_PACKAGE_KMOD"),
    ("util-linux", "BR2_PACKAGE_UTIL_LINUX_PARTX"),
    ("fdisk", "BR2_PACKAGE_UTIL_LINUX_BINARIES"),
    ("e2fsprogs", "BR2_PACKAGE_E2FSPROGS_RESIZE2FS"),
    ("tzdata", "BR2_TARGET_TZ_INFO"),
    ("ca-certificates", "BR2_PACKAGE_CA_CERTIFICATES"),
    ("libasound2", "BR2_PACKAGE_OFFHOOK"),
    ("libopus0", "BR2_PACKAGE_OFFHOOK"),
    ("libseccomp2", "BR2_PACKAGE_LIBSECCOMP"),
    ("alsa-utils", "BR2_PACKAGE_ALSA_UTILS_AMIXER"),
    ("systemd-resolved", "BR2_PACKAGE_SYSTEMD_RESOLVED"),
    ("systemd-timesyncd", "BR2_PACKAGE_SYSTEMD_TIMESYNCD"),
    ("dropbear-bin", "BR2_PACKAGE_DROPBEAR"),
    ("rauc", "BR2_PACKAGE_RAUC"),
    ("rauc-service", "BR2_PACKAGE_RAUC_DBUS"),
    ("libubootenv-tool", "BR2_PACKAGE_UBOOT_TOOLS_FWPRINTENV"),
    ("wpasupplicant", "BR2_PACKAGE_WPA_SUPPLICANT_NL80211"),
    ("wireless-regdb", "BR2_PACKAGE_WIRELESS_REGDB"),
    ("firmware-brcm80211", "BR2_PACKAGE_BRCMFMAC_SDIO_FIRMWARE_RPI_WIFI"),
];

/// Debian packages that are parts of others in Buildroot, or that something else replaces.
const IMPLIED: [&str; 6] = ["udev", "dbus-daemon", "dbus", "dbus-system-bus-common", "mount", "zlib1g"];

#[test]
fn what_the_image_of_debian_parts_holds_is_built_here_too() {
    let options = options(CONFIGS[0].0);
    let mut seen = BTreeSet::new();
    for list in ["base", "audio", "net", "update", "wifi"] {
        for line in read(&format!("image/packages/{list}")).lines() {
            let Some(package) = line.split('#').next().and_then(|line| line.split([':', ' ']).next()) else { continue };
            let library = package.starts_with("lib") && !PACKAGES.iter().any(|(debian, _)| *debian == package);
            if package.is_empty() || library || IMPLIED.contains(&package) {
                continue;
            }
            let found = PACKAGES.iter().find(|(debian, _)| *debian == package);
            let (_, option) = found.unwrap_or_else(|| {
                panic!("image/packages/{list} has {package}: which option of Buildroot is it? Name it in PACKAGES here")
            });
            assert!(
                options.get(*option).is_some_and(|value| value != "n"),
                "{package}: the configurations lack {option}"
            );
            seen.insert(package.to_owned());
        }
    }
    for (debian, _) in PACKAGES {
        assert!(seen.contains(debian), "PACKAGES here names {debian}, which the Debian image no longer has");
    }
}

#[test]
fn the_users_are_those_of_the_shared_root_folder() {
    let passwd = read("image/root/etc/passwd");
    let group = read("image/root/etc/group");
    let groups: BTreeSet<&str> = group.lines().filter_map(|line| line.split(':').next()).collect();
    for line in read("buildroot/users.txt").lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, uid, own, gid, _, home, _, further, ..] = fields[..] else { panic!("users.txt: {line}") };
        let wanted = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|it| it[0] == name);
        let wanted = wanted.unwrap_or_else(|| panic!("image/root/etc/passwd has no {name}"));
        assert_eq!((wanted[2], wanted[3], wanted[5]), (uid, gid, home), "{name}");
        assert_eq!(own, name, "users.txt: the group of {name}");
        for further in further.split(',').filter(|it| *it != "-") {
            assert!(groups.contains(further), "image/root/etc/group has no {further}");
        }
    }
}

#[test]
fn busybox_has_the_applets_that_the_shared_scripts_use() {
    let fragment = read("buildroot/busybox.fragment");
    let has = |option: &str| fragment.lines().any(|line| line == format!("CONFIG_{option}=y"));
    assert!(has("STATIC"), "the initramfs has no libraries");
    for line in read("image/packages/applets").lines() {
        let line = line.split('#').next().unwrap_or_default();
        let names = line.strip_prefix('/').and_then(|line| line.split_once(':')).map_or(line, |(_, names)| names);
        for applet in names.split_whitespace() {
            let option = match applet {
                "[" => "TEST1".to_owned(),
                "sh" => "SH_IS_ASH".to_owned(),
                applet => applet.to_uppercase(),
            };
            assert!(has(&option), "buildroot/busybox.fragment has no CONFIG_{option}=y");
        }
    }
}

/// Buildroot refuses an overlay that brings folders where its tree has links.
#[test]
fn the_shared_root_folder_has_no_folder_that_is_a_link_in_buildroot_s_tree() {
    for folder in ["bin", "sbin", "lib", "lib32", "lib64", "usr/sbin"] {
        assert!(!root().join("image/root").join(folder).exists(), "image/root/{folder}");
    }
}

#[test]
fn both_kinds_of_image_load_to_the_same_addresses() {
    let script = |path: &str| {
        let text = read(path);
        let mut lines = text.lines().map(str::trim).skip_while(|line| !line.contains("'scriptaddr_env 0x02500000'"));
        [lines.next(), lines.next()].map(|line| line.unwrap_or_else(|| panic!("{path}: no boot_script")).to_owned())
    };
    assert_eq!(script("buildroot/post-image.sh"), script("image/lib/boot.sh"));
}

#[test]
fn buildroot_takes_every_line_of_every_configuration() {
    let Some(buildroot) = std::env::var_os("BUILDROOT_DIR") else {
        super::skipped("buildroot configurations: no checkout of Buildroot; BUILDROOT_DIR names one");
        return;
    };
    let external = root().join("buildroot").canonicalize().unwrap();
    for (config, _) in CONFIGS {
        let out = std::env::temp_dir().join(format!("offhook-{config}-{}", std::process::id()));
        let output = Command::new("make")
            .arg("-C")
            .arg(&buildroot)
            .arg(format!("O={}", out.display()))
            .arg(format!("BR2_EXTERNAL={}", external.display()))
            .arg(format!("{config}_defconfig"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{config}: {}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(out.join(".config")).unwrap();
        let _ = std::fs::remove_dir_all(&out);
        for (name, value) in options(config) {
            let line = if value == "n" { format!("# {name} is not set") } else { format!("{name}={value}") };
            // An option that depends on one that is off is not written at all.
            let taken = text.lines().any(|it| it == line) || (value == "n" && !text.contains(&format!("{name}=")));
            assert!(taken, "{config}: Buildroot does not take {line}");
        }
    }
}

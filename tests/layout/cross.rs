//! Cross-compiling: one list of packages, and a configuration for `cross` that can be checked without containers.

use super::root;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a script says on standard output.
fn said(script: &str, args: &[&str]) -> String {
    let output = Command::new(root().join(script)).args(args).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn packages(arch: &str) -> BTreeSet<String> {
    said("cross/build", &[arch, "--packages"]).lines().map(str::to_owned).collect()
}

#[test]
fn the_packages_for_armhf_are_those_for_arm64_under_its_names() {
    let arm64 = packages("arm64");
    assert!(arm64.contains("gcc-aarch64-linux-gnu") && arm64.contains("libasound2-dev:arm64"), "{arm64:?}");
    let renamed = |name: &String| name.replace("aarch64-linux-gnu", "arm-linux-gnueabihf").replace("arm64", "armhf");
    assert_eq!(packages("armhf"), arm64.iter().map(renamed).collect());
    let list = read("cross/packages");
    let named = list.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next());
    assert_eq!(arm64, named.map(str::to_owned).collect());
}

#[test]
fn the_container_reads_the_list_of_packages_and_copies_none() {
    let file = read("cross/Containerfile");
    assert!(file.contains("COPY lib.sh packages "), "the container does not get the list");
    assert!(file.contains("cross_packages \"$CROSS_DEB_ARCH\""), "the container does not read the list");
    let installs = file.lines().filter(|line| !line.starts_with('#') && !line.contains("=")).collect::<String>();
    let arm64 = packages("arm64");
    for package in arm64.union(&packages("armhf")) {
        let whole = |word: &str| word == package;
        assert!(!installs.split_whitespace().any(whole), "cross/Containerfile names {package} itself");
    }
}

#[test]
fn cross_toml_names_targets_that_rust_has_and_files_that_are_there() {
    let text = read("cross.toml");
    let config: toml::Table = text.parse().unwrap_or_else(|error| panic!("cross.toml: {error}"));
    let output = Command::new("rustc").args(["--print", "target-list"]).output().unwrap();
    let known = String::from_utf8(output.stdout).unwrap();
    let targets = config["target"].as_table().unwrap();
    let names: Vec<&str> = targets.keys().map(String::as_str).collect();
    assert_eq!(names, ["aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf"]);
    for (name, target) in targets {
        assert!(known.lines().any(|line| line == name), "rustc knows no {name}");
        let dockerfile = &target["dockerfile"];
        let (file, context) = (dockerfile["file"].as_str().unwrap(), dockerfile["context"].as_str().unwrap());
        assert!(root().join(file).is_file(), "cross.toml: there is no {file}");
        for copied in ["lib.sh", "packages"] {
            assert!(root().join(context).join(copied).is_file(), "cross.toml: {context} has no {copied}");
        }
    }
}

#[test]
fn the_container_prepares_the_compiler_for_each_target_of_cross_toml() {
    let (file, config) = (read("cross/Containerfile"), read("cross.toml").parse::<toml::Table>().unwrap());
    for name in config["target"].as_table().unwrap().keys() {
        let lower = name.replace('-', "_");
        let upper = lower.to_uppercase();
        for variable in [
            format!("CARGO_TARGET_{upper}_LINKER="),
            format!("CARGO_TARGET_{upper}_RUNNER="),
            format!("CC_{lower}="),
            format!("PKG_CONFIG_LIBDIR_{lower}="),
        ] {
            assert!(file.contains(&variable), "cross/Containerfile sets no {variable}");
        }
    }
}

#[test]
fn a_machine_that_cannot_be_built_for_here_is_skipped_by_name_with_the_remedy() {
    for arch in ["arm64", "armhf"] {
        let output = Command::new(root().join("cross/build")).args([arch, "--check"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            continue;
        }
        let names_a_package = packages(arch).iter().any(|package| said.contains(package.as_str()));
        assert!(names_a_package && said.contains("apt-get"), "cross/build {arch}: {said}");
        super::skipped(&format!("cross-compiling for {arch}: {}", said.lines().next().unwrap_or_default()));
    }
}

#[test]
fn a_machine_that_is_unknown_or_cannot_be_built_for_is_refused_with_a_reason() {
    for args in [&["riscv64"][..], &["arm64", "amd64"], &["arm64", "--bin"], &["arm64", "-x"]] {
        let output = Command::new(root().join("cross/build")).args(args).output().unwrap();
        assert!(!output.status.success(), "cross/build {args:?} was accepted");
        assert!(output.stderr.starts_with(b"build: "), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_script_here_is_bash_that_parses_and_explains_itself() {
    for script in ["build", "test", "instructions", "release-tarball"] {
        let help = said(&format!("cross/{script}"), &["--help"]);
        assert!(help.starts_with(&format!("cross/{script}")), "cross/{script} --help: {help}");
    }
    for script in ["cross/lib.sh", "buildroot/common.sh", "buildroot/post-build.sh", "buildroot/post-image.sh"] {
        parses(&root().join(script));
    }
}

fn parses(path: &Path) {
    let output = Command::new("bash").arg("-n").arg(path).output().unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
}

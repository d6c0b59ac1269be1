# The time of what is released here: Buildroot would take that of its own last commit, and two releases from one checkout of it
# would have one version.
SOURCE_DATE_EPOCH := $(shell git -C $(BR2_EXTERNAL_OFFHOOK_PATH) log -1 --format=%ct 2>/dev/null || cat $(BR2_EXTERNAL_OFFHOOK_PATH)/../SOURCE_DATE_EPOCH)

include $(sort $(wildcard $(BR2_EXTERNAL_OFFHOOK_PATH)/package/*/*.mk))

include $(sort $(wildcard $(BR2_EXTERNAL_OFFHOOK_PATH)/package/*/*.mk))

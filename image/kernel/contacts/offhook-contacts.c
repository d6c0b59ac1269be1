// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * A GPIO chip whose lines are the rows and columns of a key matrix, for telephones that are tested without hardware.
 *
 * gpio-sim has lines but no wires between them. Here every crossing of a row and a column has a contact, and what a line
 * reads is what current would make of it: all lines that closed contacts join, over any number of them, are one wire.
 * Whoever drives that wire decides, low before high as in most output stages; else a pull does, down before up; and a wire
 * that nobody holds stays as it was. There are no diodes, so three keys in the corners of a rectangle close the fourth.
 *
 * Lines: the rows, then the columns. Open drain is not offered: gpiolib then turns the line into an input to let go, as on
 * most chips. Contacts are in the attribute `contacts` of the platform device "offhook-matrix": a line "<row> <column> 1"
 * closes one, "... 0" opens it; all lines of a write happen at once. It reads as the contacts that are closed.
 */
#include <linux/bitops.h>
#include <linux/gpio/driver.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#define NAME "offhook-matrix"
#define WIDEST 16

static unsigned int rows = 4;
module_param(rows, uint, 0444);
MODULE_PARM_DESC(rows, "rows of the matrix, 1 to 16 (default 4)");

static unsigned int columns = 4;
module_param(columns, uint, 0444);
MODULE_PARM_DESC(columns, "columns of the matrix, 1 to 16 (default 4)");

/* One bit per line throughout: the rows, then the columns. */
struct matrix {
	struct gpio_chip gc;
	raw_spinlock_t lock;
	u32 closed[WIDEST];	/* by row: the lines of the columns it is joined to */
	u32 driven;		/* outputs */
	u32 high;		/* outputs that are high */
	u32 pulled_up, pulled_down;
	u32 level;		/* as all lines lie now */
	u32 unmasked, rising, falling;
};

/* The lines that are one wire with this one. */
static u32 wire_of(const struct matrix *m, unsigned int line)
{
	u32 wire = BIT(line), before;
	unsigned int row;

	do {
		before = wire;
		for (row = 0; row < rows; row++) {
			u32 joined = m->closed[row] | BIT(row);

			if (m->closed[row] && (wire & joined))
				wire |= joined;
		}
	} while (wire != before);
	return wire;
}

/* Lets current flow; answers the lines whose change somebody waits for. */
static u32 settle(struct matrix *m)
{
	u32 left = BIT_ULL(rows + columns) - 1, level = 0, changed;

	while (left) {
		u32 wire = wire_of(m, __ffs(left));

		left &= ~wire;
		if (wire & m->driven & ~m->high)
			continue;
		if (wire & m->driven) {
			level |= wire;
			continue;
		}
		if (wire & m->pulled_down)
			continue;
		/* Joined wires without a pull share what charge they had. */
		if (wire & (m->pulled_up | m->level))
			level |= wire;
	}
	changed = level ^ m->level;
	m->level = level;
	return changed & m->unmasked & ((level & m->rising) | (~level & m->falling));
}

/* Not under the lock: handlers may read lines. */
static void tell(struct matrix *m, u32 lines)
{
	while (lines) {
		unsigned int line = __ffs(lines);

		lines &= lines - 1;
		generic_handle_domain_irq_safe(m->gc.irq.domain, line);
	}
}

/* Sets or clears a line's bit in some of the words, and lets current flow. */
static void change(struct matrix *m, unsigned int line, u32 *set, u32 *clear, u32 *clear_too)
{
	unsigned long flags;
	u32 lines;

	raw_spin_lock_irqsave(&m->lock, flags);
	if (clear)
		*clear &= ~BIT(line);
	if (clear_too)
		*clear_too &= ~BIT(line);
	if (set)
		*set |= BIT(line);
	lines = settle(m);
	raw_spin_unlock_irqrestore(&m->lock, flags);
	tell(m, lines);
}

static int matrix_get(struct gpio_chip *gc, unsigned int line)
{
	struct matrix *m = gpiochip_get_data(gc);

	return !!(READ_ONCE(m->level) & BIT(line));
}

static void matrix_set(struct gpio_chip *gc, unsigned int line, int value)
{
	struct matrix *m = gpiochip_get_data(gc);

	change(m, line, value ? &m->high : NULL, value ? NULL : &m->high, NULL);
}

static int matrix_get_direction(struct gpio_chip *gc, unsigned int line)
{
	struct matrix *m = gpiochip_get_data(gc);

	return READ_ONCE(m->driven) & BIT(line) ? GPIO_LINE_DIRECTION_OUT : GPIO_LINE_DIRECTION_IN;
}

static int matrix_direction_input(struct gpio_chip *gc, unsigned int line)
{
	struct matrix *m = gpiochip_get_data(gc);

	change(m, line, NULL, &m->driven, NULL);
	return 0;
}

static int matrix_direction_output(struct gpio_chip *gc, unsigned int line, int value)
{
	struct matrix *m = gpiochip_get_data(gc);
	unsigned long flags;
	u32 lines;

	/* At once: the old value must not be driven for a moment. */
	raw_spin_lock_irqsave(&m->lock, flags);
	m->high = value ? m->high | BIT(line) : m->high & ~BIT(line);
	m->driven |= BIT(line);
	lines = settle(m);
	raw_spin_unlock_irqrestore(&m->lock, flags);
	tell(m, lines);
	return 0;
}

static int matrix_set_config(struct gpio_chip *gc, unsigned int line, unsigned long config)
{
	struct matrix *m = gpiochip_get_data(gc);

	switch (pinconf_to_config_param(config)) {
	case PIN_CONFIG_BIAS_PULL_UP:
		change(m, line, &m->pulled_up, &m->pulled_down, NULL);
		return 0;
	case PIN_CONFIG_BIAS_PULL_DOWN:
		change(m, line, &m->pulled_down, &m->pulled_up, NULL);
		return 0;
	case PIN_CONFIG_BIAS_DISABLE:
		change(m, line, NULL, &m->pulled_up, &m->pulled_down);
		return 0;
	default:
		return -ENOTSUPP;
	}
}

/* Pins come up with their pulls off when nobody has them. */
static void matrix_free(struct gpio_chip *gc, unsigned int line)
{
	struct matrix *m = gpiochip_get_data(gc);

	change(m, line, NULL, &m->pulled_up, &m->pulled_down);
}

static void matrix_irq_mask(struct irq_data *data)
{
	struct gpio_chip *gc = irq_data_get_irq_chip_data(data);
	struct matrix *m = gpiochip_get_data(gc);
	unsigned long flags;

	raw_spin_lock_irqsave(&m->lock, flags);
	m->unmasked &= ~BIT(irqd_to_hwirq(data));
	raw_spin_unlock_irqrestore(&m->lock, flags);
	gpiochip_disable_irq(gc, irqd_to_hwirq(data));
}

static void matrix_irq_unmask(struct irq_data *data)
{
	struct gpio_chip *gc = irq_data_get_irq_chip_data(data);
	struct matrix *m = gpiochip_get_data(gc);
	unsigned long flags;

	gpiochip_enable_irq(gc, irqd_to_hwirq(data));
	raw_spin_lock_irqsave(&m->lock, flags);
	m->unmasked |= BIT(irqd_to_hwirq(data));
	raw_spin_unlock_irqrestore(&m->lock, flags);
}

static int matrix_irq_set_type(struct irq_data *data, unsigned int type)
{
	struct matrix *m = gpiochip_get_data(irq_data_get_irq_chip_data(data));
	u32 line = BIT(irqd_to_hwirq(data));
	unsigned long flags;

	if (type & ~IRQ_TYPE_EDGE_BOTH)
		return -EINVAL;
	raw_spin_lock_irqsave(&m->lock, flags);
	m->rising = type & IRQ_TYPE_EDGE_RISING ? m->rising | line : m->rising & ~line;
	m->falling = type & IRQ_TYPE_EDGE_FALLING ? m->falling | line : m->falling & ~line;
	raw_spin_unlock_irqrestore(&m->lock, flags);
	return 0;
}

static const struct irq_chip matrix_irq_chip = {
	.name = NAME,
	.irq_mask = matrix_irq_mask,
	.irq_unmask = matrix_irq_unmask,
	.irq_set_type = matrix_irq_set_type,
	.flags = IRQCHIP_IMMUTABLE,
	GPIOCHIP_IRQ_RESOURCE_HELPERS,
};

static ssize_t contacts_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct matrix *m = dev_get_drvdata(dev);
	unsigned int row, column;
	ssize_t length = 0;

	for (row = 0; row < rows; row++)
		for (column = 0; column < columns; column++)
			if (READ_ONCE(m->closed[row]) & BIT(rows + column))
				length += sysfs_emit_at(page, length, "%u %u 1\n", row, column);
	return length;
}

static ssize_t contacts_store(struct device *dev, struct device_attribute *attr, const char *text, size_t size)
{
	struct matrix *m = dev_get_drvdata(dev);
	u32 closed[WIDEST], opened[WIDEST], lines;
	unsigned long flags;
	unsigned int row;
	const char *at = text;

	memset(closed, 0, sizeof(closed));
	memset(opened, 0, sizeof(opened));
	while (*(at = skip_spaces(at))) {
		unsigned int column, value;
		int read;

		if (sscanf(at, "%u %u %u%n", &row, &column, &value, &read) != 3)
			return -EINVAL;
		if (row >= rows || column >= columns || value > 1)
			return -ERANGE;
		/* Of a contact that is named twice, the last word counts. */
		closed[row] &= ~BIT(rows + column);
		opened[row] &= ~BIT(rows + column);
		*(value ? &closed[row] : &opened[row]) |= BIT(rows + column);
		at += read;
	}
	raw_spin_lock_irqsave(&m->lock, flags);
	for (row = 0; row < rows; row++)
		m->closed[row] = (m->closed[row] & ~opened[row]) | closed[row];
	lines = settle(m);
	raw_spin_unlock_irqrestore(&m->lock, flags);
	tell(m, lines);
	return size;
}
static DEVICE_ATTR_RW(contacts);

static struct attribute *matrix_attrs[] = { &dev_attr_contacts.attr, NULL };
ATTRIBUTE_GROUPS(matrix);

static int matrix_probe(struct platform_device *pdev)
{
	struct gpio_irq_chip *irq;
	struct matrix *m;

	m = devm_kzalloc(&pdev->dev, sizeof(*m), GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	raw_spin_lock_init(&m->lock);
	platform_set_drvdata(pdev, m);
	m->gc = (struct gpio_chip) {
		.label = NAME,
		.parent = &pdev->dev,
		.owner = THIS_MODULE,
		.base = -1,
		.ngpio = rows + columns,
		.get = matrix_get,
		.set = matrix_set,
		.get_direction = matrix_get_direction,
		.direction_input = matrix_direction_input,
		.direction_output = matrix_direction_output,
		.set_config = matrix_set_config,
		.free = matrix_free,
	};
	irq = &m->gc.irq;
	gpio_irq_chip_set_chip(irq, &matrix_irq_chip);
	irq->handler = handle_simple_irq;
	irq->default_type = IRQ_TYPE_NONE;
	return devm_gpiochip_add_data(&pdev->dev, &m->gc, m);
}

static struct platform_driver matrix_driver = {
	.probe = matrix_probe,
	.driver = { .name = NAME, .dev_groups = matrix_groups },
};

static struct platform_device *matrix_device;

static int __init contacts_init(void)
{
	int error;

	if (!rows || !columns || rows > WIDEST || columns > WIDEST) {
		pr_err(NAME ": no matrix has %u rows and %u columns; give 1 to %u of each\n", rows, columns, WIDEST);
		return -EINVAL;
	}
	error = platform_driver_register(&matrix_driver);
	if (error)
		return error;
	matrix_device = platform_device_register_simple(NAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(matrix_device)) {
		platform_driver_unregister(&matrix_driver);
		return PTR_ERR(matrix_device);
	}
	return 0;
}
module_init(contacts_init);

static void __exit contacts_exit(void)
{
	platform_device_unregister(matrix_device);
	platform_driver_unregister(&matrix_driver);
}
module_exit(contacts_exit);

MODULE_DESCRIPTION("Key matrix with contacts that a test closes");
MODULE_LICENSE("Dual MIT/GPL");

# SPDX-License-Identifier: GPL-2.0-or-later
"""What libxl (Xen 4.17 to master) puts on the command line of the device model of an HVM guest.

argv(config) gives the arguments in libxl's own order.  config is a dict; its keys are xl.cfg's
where xl.cfg has the option.  Nothing is quoted or escaped, because libxl does not.
"""


def usb_controllers(version):
    if version == 1:
        return ['piix3-usb-uhci,id=usb']
    if version == 3:
        return ['nec-usb-xhci,id=usb']
    ehci = ['ich9-usb-ehci1,id=usb,addr=0x1d.0x7,multifunction=on']
    for n, first in enumerate((0, 2, 4), 1):
        function = '0x1d.%s' % ('0' if n == 1 else hex(n - 1))
        ehci.append('ich9-usb-uhci%d,masterbus=usb.0,firstport=%d,addr=%s,multifunction=on'
                    % (n, first, function))
    return ehci


def prologue(c, run_dir, domid):
    a = ['-xen-domid', str(domid), '-no-shutdown']
    if 'qmp_fd' in c:
        a += ['-chardev', 'socket,id=libxl-cmd,fd=%d,server=on,wait=off' % c['qmp_fd'], '-S']
    else:
        a += ['-chardev', 'socket,id=libxl-cmd,path=%s/qmp-libxl-%d,server=on,wait=off'
              % (run_dir, domid)]
    a += ['-mon', 'chardev=libxl-cmd,mode=control',
          '-chardev', 'socket,id=libxenstat-cmd,path=%s/qmp-libxenstat-%d,server=on,wait=off'
          % (run_dir, domid),
          '-mon', 'chardev=libxenstat-cmd,mode=control']
    for devid, path in enumerate(c.get('channels', []), 1):
        if path is None:
            a += ['-chardev', 'pty,id=libxl-channel%d' % devid]
        else:
            a += ['-chardev', 'socket,id=libxl-channel%d,path=%s,server=on,wait=off'
                  % (devid, path)]
    a += ['-nodefaults', '-no-user-config']
    if c.get('name', 'guest'):
        a += ['-name', c.get('name', 'guest')]
    return a


def display(c):
    vnc = c.get('vnc', {})
    a = ['-vnc', 'none']
    if vnc is not None and vnc is not False:
        listen = vnc.get('listen', '127.0.0.1')
        if ':' not in listen:
            listen += ':%d' % vnc.get('display', 0)
        a[1] = listen + (',password=on' if vnc.get('password') else '') \
            + (',to=99' if vnc.get('unused', True) else '')
    a += ['-display', 'none']
    if c.get('sdl'):
        a += ['-display', 'sdl']
    if 'keymap' in c:
        a += ['-k', c['keymap']]
    return a


def payload(c):
    a = []
    for key, option in (('kernel', '-kernel'), ('ramdisk', '-initrd'), ('cmdline', '-append')):
        if key in c:
            a += [option, c[key]]
    if any(d['vdev'].startswith('sd') and not d.get('cdrom') for d in c.get('disks', [])):
        a += ['-device', 'lsi53c895a']
    for serial in c.get('serial', []):
        a += ['-serial', serial]
    if c.get('nographic'):
        a += ['-nographic']
    if 'spice' in c:
        a += ['-spice', c['spice']]
    if c.get('spicevdagent'):
        a += ['-device', 'virtio-serial', '-chardev', 'spicevmc,id=vdagent,name=vdagent',
              '-device', 'virtserialport,chardev=vdagent,name=com.redhat.spice.0']
    kind = c.get('vga', 'cirrus')
    if kind in ('stdvga', 'cirrus'):
        device, default = ('VGA', 16) if kind == 'stdvga' else ('cirrus-vga', 8)
        a += ['-device', '%s,vgamem_mb=%d' % (device, c.get('videoram', default))]
    elif kind == 'qxl':
        half = c.get('videoram', 128) // 2
        a += ['-device', 'qxl-vga,vram_size_mb=%d,ram_size_mb=%d' % (half, half)]
    return a + ['-boot', 'order=' + c.get('boot', 'cda')]


def buses(c):
    a = []
    if c.get('usb') or c.get('usbdevice'):
        a += ['-usb']
    for device in c.get('usbdevice', []):
        a += ['-usbdevice', device]
    if 'usbversion' in c:
        for device in usb_controllers(c['usbversion']):
            a += ['-device', device]
    for i in range(1, c.get('spiceusbredirection', 0) + 1):
        a += ['-chardev', 'spicevmc,name=usbredir,id=usbrc%d' % i,
              '-device', 'usb-redir,chardev=usbrc%d,id=usbrc%d' % (i, i)]
    if c.get('soundhw') == 'hda':
        a += ['-device', 'intel-hda', '-device', 'hda-duplex']
    elif 'soundhw' in c:
        a += ['-device', c['soundhw']]
    if not c.get('acpi', True):
        a += ['-no-acpi']
    maximum = c.get('maxvcpus', c.get('vcpus', 1))
    if maximum > 1:
        a += ['-smp', '%d,maxcpus=%d' % (c['vcpus'], maximum) if 'vcpus' in c else str(maximum)]
    return a


def networks(c, domid):
    a = []
    for devid, nic in enumerate(c.get('nics', [])):
        a += ['-device', '%s,id=nic%d,netdev=net%d,mac=%s'
              % (nic.get('model', 'rtl8139'), devid, devid,
                 nic.get('mac', '00:16:3e:00:00:%02x' % devid)),
              '-netdev', 'type=tap,id=net%d,ifname=vif%d.%d-emu,br=%s,script=no,downscript=no'
              % (devid, domid, devid, nic.get('bridge', 'xenbr0'))]
    return a or ['-net', 'none']


def machine(c):
    a = []
    if c.get('dm_restrict'):
        a += ['-xen-domid-restrict']
        if 'chroot' in c:
            a += ['-run-with', 'chroot=' + c['chroot']] if c.get('run_with') \
                else ['-chroot', c['chroot']]
    if 'incoming_fd' in c:
        a += ['-incoming', 'fd:%d' % c['incoming_fd']]
    a += c.get('device_model_args', [])
    m = 'xenfv' if c.get('xen_platform_pci', True) else 'pc,accel=xen'
    m += ',suppress-vmdesc=on'
    if 'mmio_hole' in c:
        m += ',max-ram-below-4g=%d' % ((4 << 30) - (c['mmio_hole'] << 20))
    if c.get('gfx_passthru'):
        m += ',igd-passthru=on'
    a += ['-machine', m] + c.get('device_model_args_hvm', [])
    return a + ['-m', str(c.get('memory', 56))]


def vdev_number(vdev):
    if vdev.startswith('hd'):
        disk = ord(vdev[2]) - ord('a')
        return disk, (3 if disk < 2 else 22) << 8 | (disk & 1) << 6
    if vdev.startswith('sd'):
        disk = ord(vdev[2]) - ord('a')
        return disk, 8 << 8 | disk << 4
    if vdev.startswith('xvd'):
        disk = ord(vdev[3]) - ord('a')
        return disk, 202 << 8 | disk << 4
    disk = int(vdev[1:])
    return disk, 1 << 28 | disk << 8


def disk(c, d):
    number, devnum = vdev_number(d['vdev'])
    path, form = d.get('target'), d.get('format', 'raw')
    if d.get('cdrom'):
        if number > 4:
            return []
        drive = 'if=none,readonly=on,id=ide-%d' % devnum
        if path:
            drive += ',file=%s,format=%s' % (path, form)
        return ['-drive', drive, '-device', 'ide-cd,id=ide-%d,drive=ide-%d,bus=ide.%d,unit=%d'
                % (devnum, devnum, number // 2, number % 2)]
    if d['vdev'].startswith('sd'):
        return ['-drive', 'file=%s,id=scsi0-hd%d,format=%s,if=none,readonly=%s,cache=writeback'
                % (path, number, form, 'on' if d.get('readonly') else 'off'),
                '-device', 'scsi-hd,drive=scsi0-hd%d,scsi-id=%d' % (number, number)]
    if c.get('hdtype') == 'ahci' and number < 6:
        return ['-drive', 'file=%s,if=none,id=ahcidisk-%d,format=%s,cache=writeback'
                % (path, number, form),
                '-device', 'ide-hd,bus=ahci0.%d,unit=0,drive=ahcidisk-%d' % (number, number)]
    if number < 4:
        return ['-drive', 'file=%s,if=ide,index=%d,media=disk,format=%s,cache=writeback'
                % (path, number, form)]
    return []


def argv(c, run_dir='/var/run/xen', domid=1):
    a = prologue(c, run_dir, domid) + display(c) + payload(c) + buses(c) + networks(c, domid)
    a += machine(c)
    if c.get('hdtype') == 'ahci':
        a += ['-device', 'ahci,id=ahci0']
    for d in c.get('disks', []):
        a += disk(c, d)
    if c.get('vendor_device') == 'xenserver':
        a += ['-device', 'xen-pvdevice,device-id=0xc000']
    if 'device_model_user' in c:
        a += ['-run-with', 'user=' + c['device_model_user']] if c.get('run_with') \
            else ['-runas', c['device_model_user']]
    return a


def probe_argv(fd):
    """The instance that libxl >= 4.20 starts to ask what the device model can do."""
    return ['-S', '-no-user-config', '-nodefaults', '-nographic', '-machine', 'none,accel=xen',
            '-chardev', 'socket,id=libxl-cmd,fd=%d,server=on,wait=off' % fd,
            '-mon', 'chardev=libxl-cmd,mode=control']

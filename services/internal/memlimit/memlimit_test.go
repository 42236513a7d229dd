package memlimit

import (
	"testing"
	"testing/fstest"
)

func TestFromFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing", nil, 0},
		{"no limit", map[string]string{"proc/self/cgroup": "0::/\n"}, 0},
		{"in a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 256 << 20},
		{"a limit that is none", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		{"a unit", map[string]string{
			"proc/self/cgroup": "0::/system.slice/fanout.service\n", "sys/fs/cgroup/system.slice/fanout.service/memory.max": "1000\n",
		}, 1000},
		{"a slice around it that is tighter", map[string]string{
			"proc/self/cgroup": "0::/system.slice/fanout.service\n", "sys/fs/cgroup/system.slice/fanout.service/memory.max": "1000\n",
			"sys/fs/cgroup/system.slice/memory.max": "500\n",
		}, 500},
		{"a slice around it that is not", map[string]string{
			"proc/self/cgroup": "0::/system.slice/fanout.service\n", "sys/fs/cgroup/system.slice/fanout.service/memory.max": "1000\n",
			"sys/fs/cgroup/system.slice/memory.max": "max\n",
		}, 1000},
		{"the older ones", map[string]string{
			"proc/self/cgroup": "12:cpu,cpuacct:/a\n5:memory:/docker/abc\n0::/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "4096\n",
		}, 4096},
		{"the older ones' word for none", map[string]string{
			"proc/self/cgroup": "5:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		{"what is no list of groups", map[string]string{"proc/self/cgroup": "nonsense\n::\n", "sys/fs/cgroup/memory.max": "1\n"}, 0},
		{"what is no number", map[string]string{"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/memory.max": "-5\n"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := fstest.MapFS{}
			for name, content := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(content)}
			}
			if got := fromFiles(root); got != tt.want {
				t.Errorf("fromFiles() = %d, want %d", got, tt.want)
			}
		})
	}
}

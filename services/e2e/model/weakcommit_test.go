package model

import (
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/fanout-load/fanout/services/coordinator"
)

// lag is a store that says that it has stored what it has not: a crash of the coordinator takes it back to how it was a moment
// before. To everybody who looks before that it is the store that it should be.
type lag struct {
	world *world
	kept  coordinator.Memory // guarded by the memory's mu
}

// moment is how far what is kept lags behind, at most.
const moment = 1500 * time.Millisecond

// lagBehind makes the world's store one that lags.
func (w *world) lagBehind() {
	m := w.memory
	m.late = &lag{world: w, kept: copyMemory(m.now)}
	w.spawn(func() {
		for w.pause(moment, nil) {
			m.sync()
		}
	})
}

// sync has what is committed stored, if the store lags.
func (m *memory) sync() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.late != nil {
		m.late.kept = copyMemory(m.now)
	}
}

// crash loses what is not kept, if the store lags.
func (m *memory) crash() {
	if m.late == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = copyMemory(m.late.kept)
	m.late.world.trace.note("st", "lost what was committed in the last moment")
}

// copyMemory is a memory with the same in it, and nothing in common.
func copyMemory(from coordinator.Memory) coordinator.Memory {
	value := reflect.ValueOf(from).FieldByName("memory")
	mu := (*sync.Mutex)(unsafe.Pointer(value.Elem().FieldByName("mu").UnsafeAddr()))
	mu.Lock()
	defer mu.Unlock()
	to := reflect.New(reflect.TypeFor[coordinator.Memory]()).Elem()
	field := writable(to.FieldByName("memory"))
	field.Set(copyValue(value, map[unsafe.Pointer]reflect.Value{}))
	return to.Interface().(coordinator.Memory)
}

// writable is a field that may be set, though it is not exported.
func writable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// copyValue copies what a store is made of: numbers, text, and structs, slices, maps and pointers of them. known is the copies of what
// is pointed at more than once.
func copyValue(v reflect.Value, known map[unsafe.Pointer]reflect.Value) reflect.Value {
	to := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			break
		}
		if there, ok := known[v.UnsafePointer()]; ok {
			return there
		}
		pointer := reflect.New(v.Type().Elem())
		known[v.UnsafePointer()] = pointer
		pointer.Elem().Set(copyValue(v.Elem(), known))
		return pointer
	case reflect.Struct:
		switch v.Type() {
		case reflect.TypeFor[sync.Mutex](): // which is not locked there
			return to
		case reflect.TypeFor[time.Time]():
			return plain(v)
		}
		for i := range v.NumField() {
			writable(to.Field(i)).Set(copyValue(v.Field(i), known))
		}
	case reflect.Slice:
		if v.IsNil() {
			break
		}
		to.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			to.Index(i).Set(copyValue(v.Index(i), known))
		}
	case reflect.Map:
		to.Set(reflect.MakeMap(v.Type()))
		for entries := v.MapRange(); entries.Next(); {
			to.SetMapIndex(copyValue(entries.Key(), known), copyValue(entries.Value(), known))
		}
	default:
		return plain(v)
	}
	return to
}

// plain is a value that has no parts, without the mark that it came from a field that is not exported.
func plain(v reflect.Value) reflect.Value {
	to := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		to.SetInt(v.Int())
	case reflect.Uint8, reflect.Uint64:
		to.SetUint(v.Uint())
	case reflect.Bool:
		to.SetBool(v.Bool())
	case reflect.String:
		to.SetString(v.String())
	default: // a time
		return writable(v)
	}
	return to
}

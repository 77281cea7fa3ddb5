import Glibc
import SparseAttention

/// Memory that outlives a call: fresh pages at each would cost a page fault per 4 KiB.
///
/// A call takes one block for itself and gives it back, so concurrent calls never share; blocks only grow.
final class ScratchPool: @unchecked Sendable {
  static let shared = ScratchPool()

  struct Block {
    var base: UnsafeMutableRawPointer
    var bytes: Int
  }

  private var lock = pthread_mutex_t()
  private var free: [Block] = []

  private init() { pthread_mutex_init(&lock, nil) }

  /// A block of at least so many bytes, aligned to a cache line and more.
  func take(_ bytes: Int) throws(AttentionError) -> Block {
    pthread_mutex_lock(&lock)
    // The smallest that suffices, else the largest: that one is replaced.
    var pick = -1
    for (i, block) in free.enumerated() {
      guard pick >= 0 else {
        pick = i
        continue
      }
      let best = free[pick]
      let better = best.bytes < bytes ? block.bytes > best.bytes : block.bytes >= bytes && block.bytes < best.bytes
      if better { pick = i }
    }
    let old = pick >= 0 ? free.remove(at: pick) : nil
    pthread_mutex_unlock(&lock)
    if let old, old.bytes >= bytes { return old }
    if let old { Glibc.free(old.base) }
    let rounded = (bytes + 0x1f_ffff) & ~0x1f_ffff
    var base: UnsafeMutableRawPointer?
    guard posix_memalign(&base, rounded >= 0x20_0000 ? 0x20_0000 : 4096, rounded) == 0, let base else {
      throw .unsupported(
        "Attention needs \(bytes >> 20) MiB of scratch memory that the system does not give; use shorter sequences "
          + "or fewer threads.")
    }
    madvise(base, rounded, MADV_HUGEPAGE)
    return Block(base: base, bytes: rounded)
  }

  /// Gives back to the system what no call holds.
  func clear() {
    pthread_mutex_lock(&lock)
    let blocks = free
    free = []
    pthread_mutex_unlock(&lock)
    for block in blocks { Glibc.free(block.base) }
  }

  func give(_ block: Block) {
    pthread_mutex_lock(&lock)
    free.append(block)
    pthread_mutex_unlock(&lock)
  }
}

/// Cuts a block into aligned pieces. Without a block it only counts.
struct Carver {
  private let base: UInt
  private(set) var used = 0

  init(_ base: UnsafeMutableRawPointer?) { self.base = base.map { UInt(bitPattern: $0) } ?? 4096 }

  mutating func take<T>(_ count: Int, of type: T.Type) -> UnsafeMutablePointer<T> {
    let pointer = UnsafeMutablePointer<T>(bitPattern: base &+ UInt(used)).unsafelyUnwrapped
    used += (max(count, 1) * MemoryLayout<T>.stride + 63) & ~63
    return pointer
  }

  mutating func floats(_ count: Int) -> UnsafeMutablePointer<Float> { take(count, of: Float.self) }
}

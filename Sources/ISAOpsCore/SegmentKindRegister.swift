import Glibc

/// Carries the lists of strings from shape inference to the making of kernels.
///
/// ONNX Runtime before 1.25 hands a kernel no list of strings, but it hands one to the shape function, which it calls for
/// every node of a model before it makes the first kernel, on the thread that makes the session. The register is kept by
/// thread and by what both sides can read of a node.
final class SegmentKindRegister: @unchecked Sendable {
  static let shared = SegmentKindRegister()

  struct Key: Hashable {
    var site: String
    var heads: Int
  }

  enum Entry: Equatable {
    case known([String])
    /// Nodes of one key that differ.
    case ambiguous
  }

  private struct Model {
    var entries: [Key: [String: Entry]] = [:]
    /// Whether what comes next belongs to another model, or to the same one inferred anew.
    var closed = false
  }

  private var lock = pthread_mutex_t()
  private var models: [pthread_t: Model] = [:]

  init() { pthread_mutex_init(&lock, nil) }

  /// Notes a node's lists by the attribute's name.
  func note(_ lists: [String: [String]], of key: Key) {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    var model = models[pthread_self()] ?? Model()
    if model.closed { model = Model() }
    var entry = model.entries[key] ?? lists.mapValues { .known($0) }
    for name in Set(entry.keys).union(lists.keys) where entry[name] != lists[name].map({ .known($0) }) {
      entry[name] = .ambiguous
    }
    model.entries[key] = entry
    models[pthread_self()] = model
  }

  /// Told when this thread makes a kernel or registers operators: its model is complete, if there was one.
  func close() {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    models[pthread_self()]?.closed = true
  }

  /// What was noted on this thread, else on the others if they agree; nil where a node has no such attribute.
  func kinds(_ name: String, of key: Key) -> Entry? {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    if let entry = models[pthread_self()]?.entries[key] { return entry[name] }
    let others = models.values.compactMap { $0.entries[key] }
    guard let first = others.first else { return nil }
    return others.allSatisfy { $0[name] == first[name] } ? first[name] : .ambiguous
  }
}

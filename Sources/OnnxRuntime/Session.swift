import CORT

/// A model that is loaded and ready to run. Runs may overlap.
public final class Session: @unchecked Sendable {
  public let library: Library
  public let inputs: [ValueInfo]
  /// Initializers that an input of the same name replaces for a run.
  public let overridableInitializers: [ValueInfo]
  public let outputs: [ValueInfo]
  /// The model's `metadata_props`.
  public let metadata: [String: String]

  private let session: OpaquePointer

  /// - Throws: `modelMissing`, `modelRefused`, `opLibraryMissing`, `opLibraryRefused`.
  public init(_ library: Library, model: Model, options: Options = Options()) throws(RuntimeError) {
    let api = library.api
    let prepared = try options.make(library)
    defer { api.ReleaseSessionOptions(prepared) }
    if !options.opLibraries.isEmpty { library.registration.lock() }
    defer { if !options.opLibraries.isEmpty { library.registration.unlock() } }
    var made: OpaquePointer?
    let name: String
    let status: OpaquePointer?
    switch model {
    case .path(let path):
      guard fileExists(path) else { throw .modelMissing(path: path) }
      name = "'\(path)'"
      status = api.CreateSession(library.env, path, prepared, &made)
    case .bytes(let bytes):
      name = "the model"
      status = bytes.withUnsafeBytes {
        api.CreateSessionFromArray(library.env, $0.baseAddress, $0.count, prepared, &made)
      }
    }
    if let reason = api.failure(status) { throw .modelRefused(model: name, reason: reason) }
    guard let made else { throw .modelRefused(model: name, reason: "no session was made") }
    let facts: SessionFacts
    do throws(RuntimeError) {
      facts = try SessionFacts(library, made)
    } catch {
      api.ReleaseSession(made)
      throw error
    }
    self.library = library
    session = made
    inputs = facts.inputs
    overridableInitializers = facts.overridableInitializers
    outputs = facts.outputs
    metadata = facts.metadata
  }

  deinit { library.api.ReleaseSession(session) }

  /// Runs the model.
  ///
  /// - Parameters:
  ///   - inputs: A tensor for each of `inputs`; those of `overridableInitializers` may be left out.
  ///   - outputs: Names of the outputs to compute; nil for all.
  ///   - cancellation: Ends the run when cancelled.
  /// - Throws: `missingInput`, `unknownInput`, `wrongElementType`, `wrongShape`, `unknownOutput`, `runFailed`,
  ///   `cancelled`.
  public func run(
    _ inputs: [String: Tensor], outputs: [String]? = nil, cancellation: Cancellation? = nil
  ) throws(RuntimeError) -> [String: Tensor] {
    let api = library.api
    let wanted = outputs ?? self.outputs.map(\.name)
    try check(inputs, wanted)
    if wanted.isEmpty { return [:] }
    let given = inputs.sorted { $0.key < $1.key }
    var values: [OpaquePointer?] = []
    var results = [OpaquePointer?](repeating: nil, count: wanted.count)
    defer { for value in values + results { if let value { api.ReleaseValue(value) } } }
    // The tensors' memory is lent to ONNX Runtime, which reads it until `Run` returns.
    func lend(_ index: Int) throws(RuntimeError) {
      guard index < given.count else {
        try invoke(given.map(\.key), values, wanted, &results, cancellation)
        return
      }
      let tensor = given[index].value
      let failure: RuntimeError? = tensor.bytes.withUnsafeBytes { memory in
        do throws(RuntimeError) {
          values.append(try wrap(memory, tensor))
          try lend(index + 1)
          return nil
        } catch { return error }
      }
      if let failure { throw failure }
    }
    try lend(0)
    var out: [String: Tensor] = [:]
    for (name, value) in zip(wanted, results) {
      guard let value else { throw .runFailed(reason: "output '\(name)' has no value") }
      out[name] = try read(value, name: name)
    }
    return out
  }

  /// Ends profiling and returns the path of the file with the profile; see `Options.profilePrefix`.
  public func endProfiling() throws(RuntimeError) -> String {
    try library.api.text("SessionEndProfiling", library.allocator) {
      library.api.SessionEndProfiling(session, library.allocator, &$0)
    } ?? ""
  }

  private func check(_ given: [String: Tensor], _ wanted: [String]) throws(RuntimeError) {
    let known = inputs + overridableInitializers
    for (name, tensor) in given.sorted(by: { $0.key < $1.key }) {
      guard let info = known.first(where: { $0.name == name }) else {
        throw .unknownInput(name: name, known: known.map(\.name))
      }
      try info.check(tensor)
    }
    for info in inputs where given[info.name] == nil { throw .missingInput(name: info.name) }
    for name in wanted where !outputs.contains(where: { $0.name == name }) {
      throw .unknownOutput(name: name, known: outputs.map(\.name))
    }
  }

  private func wrap(_ memory: UnsafeRawBufferPointer, _ tensor: Tensor) throws(RuntimeError) -> OpaquePointer {
    let shape = tensor.shape.map { Int64($0) }
    // ONNX Runtime refuses a null address, also for no elements.
    let address = UnsafeMutableRawPointer(mutating: memory.baseAddress) ?? UnsafeMutableRawPointer(library.cpuMemory)
    return try library.api.make("CreateTensorWithDataAsOrtValue") {
      library.api.CreateTensorWithDataAsOrtValue(
        library.cpuMemory, address, memory.count, shape, shape.count, tensor.elementType.rawValue, &$0)
    }
  }

  private func invoke(
    _ inputNames: [String], _ values: [OpaquePointer?], _ outputNames: [String], _ results: inout [OpaquePointer?],
    _ cancellation: Cancellation?
  ) throws(RuntimeError) {
    let ins = CStrings(inputNames)
    let outs = CStrings(outputNames)
    let status = library.api.Run(
      session, cancellation?.options, ins.pointers, values, values.count, outs.pointers, outs.pointers.count, &results)
    withExtendedLifetime((ins, outs, cancellation)) {}
    guard let reason = library.api.failure(status) else { return }
    throw reason.contains("terminate flag") ? .cancelled : .runFailed(reason: reason)
  }

  private func read(_ value: OpaquePointer, name: String) throws(RuntimeError) -> Tensor {
    let api = library.api
    let isTensor: Int32 = try api.number("IsTensor") { api.IsTensor(value, &$0) }
    guard isTensor != 0 else { throw .unsupportedValue(name: name, type: "not a tensor") }
    let info = try api.make("GetTensorTypeAndShape") { api.GetTensorTypeAndShape(value, &$0) }
    defer { api.ReleaseTensorTypeAndShapeInfo(info) }
    let code: Int32 = try api.number("GetTensorElementType") { api.GetTensorElementType(info, &$0) }
    guard let type = ElementType(rawValue: code) else {
      throw .unsupportedValue(name: name, type: "of element type \(code)")
    }
    let rank: Int = try api.number("GetDimensionsCount") { api.GetDimensionsCount(info, &$0) }
    var sizes = [Int64](repeating: 0, count: rank)
    try api.check("GetDimensions", api.GetDimensions(info, &sizes, rank))
    let shape = sizes.map { Int($0) }
    var memory: UnsafeMutableRawPointer?
    try api.check("GetTensorMutableData", api.GetTensorMutableData(value, &memory))
    return Tensor(
      type, shape: shape, copying: UnsafeRawBufferPointer(start: memory, count: (Tensor.count(shape) ?? 0) * type.size))
  }
}

/// Strings that C code reads, for as long as this object lives.
private final class CStrings {
  let pointers: [UnsafePointer<CChar>?]
  private let storage: [UnsafeMutablePointer<CChar>]

  init(_ strings: [String]) {
    storage = strings.map { string in
      let bytes = string.utf8CString
      let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
      for (i, byte) in bytes.enumerated() { copy[i] = byte }
      return copy
    }
    pointers = storage.map { UnsafePointer($0) }
  }

  deinit { for pointer in storage { pointer.deallocate() } }
}

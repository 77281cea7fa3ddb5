import CORT

/// What a session says of its model, read once.
struct SessionFacts {
  let inputs: [ValueInfo]
  let overridableInitializers: [ValueInfo]
  let outputs: [ValueInfo]
  let metadata: [String: String]

  init(_ library: Library, _ session: OpaquePointer) throws(RuntimeError) {
    let api = library.api
    let allocator = library.allocator
    func values(
      _ what: String, _ count: (OpaquePointer?, UnsafeMutablePointer<Int>?) -> OpaquePointer?,
      _ name: (
        OpaquePointer?, Int, OpaquePointer?, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
      ) -> OpaquePointer?,
      _ type: (OpaquePointer?, Int, UnsafeMutablePointer<OpaquePointer?>?) -> OpaquePointer?
    ) throws(RuntimeError) -> [ValueInfo] {
      let total: Int = try api.number("\(what)Count") { count(session, &$0) }
      var out: [ValueInfo] = []
      for i in 0..<total {
        let text = try api.text("\(what)Name", allocator) { name(session, i, allocator, &$0) } ?? ""
        let info = try api.make("\(what)TypeInfo") { type(session, i, &$0) }
        defer { api.ReleaseTypeInfo(info) }
        out.append(try ValueInfo(library, name: text, type: info))
      }
      return out
    }
    inputs = try values(
      "SessionGetInput", api.SessionGetInputCount, api.SessionGetInputName, api.SessionGetInputTypeInfo)
    overridableInitializers = try values(
      "SessionGetOverridableInitializer", api.SessionGetOverridableInitializerCount,
      api.SessionGetOverridableInitializerName, api.SessionGetOverridableInitializerTypeInfo)
    outputs = try values(
      "SessionGetOutput", api.SessionGetOutputCount, api.SessionGetOutputName, api.SessionGetOutputTypeInfo)
    metadata = try SessionFacts.metadata(library, session)
  }

  private static func metadata(_ library: Library, _ session: OpaquePointer) throws(RuntimeError) -> [String: String] {
    let api = library.api
    let allocator = library.allocator
    let model = try api.make("SessionGetModelMetadata") { api.SessionGetModelMetadata(session, &$0) }
    defer { api.ReleaseModelMetadata(model) }
    var keys: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    var count: Int64 = 0
    try api.check(
      "ModelMetadataGetCustomMetadataMapKeys",
      api.ModelMetadataGetCustomMetadataMapKeys(model, allocator, &keys, &count))
    guard let keys else { return [:] }
    defer {
      for i in 0..<Int(count) { _ = api.failure(api.AllocatorFree(allocator, keys[i])) }
      _ = api.failure(api.AllocatorFree(allocator, keys))
    }
    var out: [String: String] = [:]
    for i in 0..<Int(count) {
      guard let key = keys[i] else { continue }
      out[String(cString: key)] = try api.text("ModelMetadataLookupCustomMetadataMap", allocator) {
        api.ModelMetadataLookupCustomMetadataMap(model, allocator, key, &$0)
      }
    }
    return out
  }
}

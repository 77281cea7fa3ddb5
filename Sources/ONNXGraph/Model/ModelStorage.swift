import CONNX

/// The parsed message that a model's values point into, with the file's bytes.
final class ModelStorage: @unchecked Sendable {
  let message: OpaquePointer
  let file: MappedFile?
  let copy: [UInt8]
  let folder: ExternalFolder?

  /// Parses a model; the bytes may be a mapped file or an array.
  init(file: MappedFile?, copy: [UInt8], path: String, folder: ExternalFolder?) throws(ModelError) {
    self.file = file
    self.copy = copy
    self.folder = folder
    let parse = { (bytes: UnsafeRawBufferPointer) throws(ModelError) -> OpaquePointer in
      guard let start = bytes.baseAddress, bytes.count > 0 else { throw .empty(path: path) }
      guard bytes.count <= Int(Int32.max) else { throw .tooLarge(path: path, bytes: Int64(bytes.count)) }
      var status = connx_ok
      var offset = 0
      if let message = connx_model_parse(start, bytes.count, &status, &offset) { return message }
      throw switch status {
      case connx_not_onnx: .notONNX(path: path)
      case connx_truncated: .truncated(path: path, offset: offset)
      case connx_too_deep: .nestedTooDeeply(path: path, where: "")
      case connx_out_of_memory: .outOfMemory(path: path)
      case connx_too_large: .tooLarge(path: path, bytes: Int64(bytes.count))
      default: .malformed(path: path, offset: offset)
      }
    }
    if let file {
      message = try parse(file.bytes)
    } else {
      message = try copy.withUnsafeBytes { bytes in
        Result { () throws(ModelError) -> OpaquePointer in try parse(bytes) }
      }.get()
    }
  }

  deinit { connx_model_free(message) }

  /// The file as it was read.
  func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    if let file { return try body(file.bytes) }
    return try copy.withUnsafeBytes { bytes in
      Result { () throws(E) -> R in try body(bytes) }
    }.get()
  }
}

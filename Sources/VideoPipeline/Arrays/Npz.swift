import OnnxRuntime

/// `.npz` files: named arrays in a zip archive, as numpy's `savez` and `savez_compressed` write them.
///
/// Reading trusts nothing: every offset, size and count is checked against the file, and a member can claim no more
/// bytes than a deflate stream of its length can hold.
public enum Npz {
  /// Bytes of a member's name: a little less than the format's limit, for the ending.
  static let longestName = 60_000

  /// - Parameter limit: most bytes that all arrays together may take.
  public static func read(_ path: String, limit: Int = 8 << 30) throws(NpzError) -> [String: Tensor] {
    let source: ByteSource
    do throws(ByteSource.Failure) {
      source = try ByteSource(path: path)
    } catch {
      throw NpzError(file: path, member: nil, problem: .cannotOpen)
    }
    return try read(source, file: path, limit: limit)
  }

  /// - Parameter file: what messages call it.
  public static func read(
    _ bytes: [UInt8], file: String, limit: Int = 8 << 30
  ) throws(NpzError) -> [String: Tensor] {
    try read(ByteSource(bytes), file: file, limit: limit)
  }

  private static func read(
    _ source: ByteSource, file: String, limit: Int
  ) throws(NpzError) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    var left = limit
    let members: [ZipDirectory.Member]
    do throws(ZipDirectory.Failure) {
      members = try ZipDirectory.members(of: source)
    } catch {
      throw NpzError(file: file, member: nil, problem: error.problem)
    }
    for member in members {
      func fail(_ problem: NpzError.Problem) -> NpzError { NpzError(file: file, member: member.name, problem: problem) }
      guard member.name.hasSuffix(".npy") else { throw fail(.unsupported("a member that is no array")) }
      let name = String(member.name.dropLast(4))
      guard result[name] == nil else { throw fail(.duplicateName) }
      guard member.size <= left else { throw fail(.tooLarge(limit: limit)) }
      left -= member.size
      let bytes: [UInt8]
      do throws(ZipDirectory.Failure) {
        bytes = try member.bytes(in: source)
      } catch {
        throw fail(error.problem)
      }
      do throws(Npy.Failure) {
        result[name] = try Npy.parse(bytes)
      } catch {
        throw fail(error.problem)
      }
    }
    return result
  }

  /// The file's bytes, arrays in the given order.
  /// - Parameter compressed: deflated, as by `savez_compressed`.
  /// bfloat16 becomes two bytes an element (`<V2`), as of numpy with ml_dtypes.
  /// - Throws: `.duplicateName`.
  public static func encode(
    _ arrays: [(name: String, array: Tensor)], compressed: Bool = false, file: String = "output.npz"
  ) throws(NpzError) -> [UInt8] {
    var writer = ZipWriter()
    var names: Set<String> = []
    for (name, array) in arrays {
      guard names.insert(name).inserted else { throw NpzError(file: file, member: name, problem: .duplicateName) }
      guard name.utf8.count < longestName, let bytes = Npy.encode(array) else {
        throw NpzError(file: file, member: name, problem: .unsupported("the type \(array.elementType.name)"))
      }
      writer.add(name + ".npy", bytes, compressed: compressed)
    }
    return writer.finish()
  }
}
